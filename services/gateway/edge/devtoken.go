package edge

import (
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
	"quadrille/services/gateway/auth"
)

// devRoutes adds the development sign-in, which issues a token for any name.
func devRoutes(e *echo.Echo, dev *auth.DevSignIn) {
	suggested := map[string]any{"subjects": []map[string]any{
		{"subject": "ann", "roles": []auth.Role{auth.Customer}},
		{"subject": "bob", "roles": []auth.Role{auth.Customer}},
		{"subject": "walt", "roles": []auth.Role{auth.Customer, auth.Warehouse}},
		{"subject": "stella", "roles": []auth.Role{auth.Customer, auth.Warehouse, auth.Staff}},
	}}
	e.Match(readMethods, "/dev/token", func(c echo.Context) error { return c.JSON(http.StatusOK, suggested) }, requireLocalHost)
	e.POST("/dev/token", func(c echo.Context) error { return devToken(c, dev) }, requireLocalHost, rest.BodyLimits{Body: maxJSON, Upload: rest.UploadsTo()}.Middleware())
}

// requireLocalHost refuses requests with any host name but localhost: by DNS rebinding, a
// web page whose name resolves to this machine could sign in as anybody.
func requireLocalHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if host := c.Request().Host; !isLocalHost(host) {
			return fault.New(fault.Forbidden, "host_unknown", "the development sign-in accepts only localhost or an IP address as the host, not %q", host)
		}
		return next(c)
	}
}

// isLocalHost reports whether a Host header is localhost or an IP address. DNS rebinding
// cannot produce either.
func isLocalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

func devToken(c echo.Context, dev *auth.DevSignIn) error {
	var request struct {
		Subject string   `json:"subject"`
		Roles   []string `json:"roles"`
	}
	if err := readJSON(c, &request); err != nil {
		return err
	}
	roles, err := auth.ParseRoles(request.Roles)
	if err != nil {
		return err
	}
	token, caller, err := dev.Issue(request.Subject, roles)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, struct {
		Token string `json:"token"`
		me
	}{token, newMe(caller)})
}
