package edge

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
)

// Authenticate returns the caller identified by an Authorization header, like
// auth.Authenticator.Authenticate.
type Authenticate func(ctx context.Context, header string) (auth.Caller, error)

// authenticate puts the caller into the context of the request. It refuses invalid
// credentials. A request without credentials is anonymous.
func authenticate(identify Authenticate) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			caller, err := identify(r.Context(), r.Header.Get("Authorization"))
			if err != nil {
				challenge(c, err)
				return err
			}
			c.SetRequest(r.WithContext(auth.WithCaller(r.Context(), caller)))
			return next(c)
		}
	}
}

// challenge adds WWW-Authenticate to the response if err is Unauthorized (RFC 6750,
// section 3).
func challenge(c echo.Context, err error) {
	if unauthorized(err) {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="quadrille"`)
	}
}

// callerOf returns the caller of the request.
func callerOf(c echo.Context) auth.Caller { return auth.CallerFrom(c.Request().Context()) }

// requireRole returns nil if the caller has one of the roles; otherwise a fault:
// Unauthorized for an anonymous caller, Forbidden for another.
func requireRole(c echo.Context, roles ...auth.Role) error {
	caller := callerOf(c)
	switch {
	case caller.Anonymous():
		err := fault.New(fault.Unauthorized, "token_required", "sign in first: this request requires the header Authorization: Bearer, with a token or an API key")
		challenge(c, err)
		return err
	case !caller.Is(roles...):
		return fault.New(fault.Forbidden, "role_required", "this request requires the role %s", anyOf(roles))
	}
	return nil
}

// anyOf names roles of which one suffices.
func anyOf(roles []auth.Role) string {
	names := make([]string, len(roles))
	for n, role := range roles {
		names[n] = string(role)
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return names[0]
}

func unauthorized(err error) bool { return fault.Is(err, fault.Unauthorized) }

// me is the API's representation of the caller.
type me struct {
	Subject   string      `json:"subject"`
	Roles     []auth.Role `json:"roles"`
	Kind      auth.Kind   `json:"kind"`
	ExpiresAt *time.Time  `json:"expires_at,omitempty"`
}

func newMe(c auth.Caller) me {
	m := me{Subject: c.Subject, Roles: c.Roles, Kind: c.Kind}
	if !c.ExpiresAt.IsZero() {
		end := c.ExpiresAt.UTC()
		m.ExpiresAt = &end
	}
	return m
}

func getMe(c echo.Context) error {
	if err := requireRole(c, auth.AllRoles()...); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, newMe(callerOf(c)))
}

// StreamCaller returns a function that converts the caller of a request to the caller of
// an event stream. Anonymous callers are distinguished by address.
func StreamCaller(address func(*http.Request) string) func(*http.Request) activity.Caller {
	return func(r *http.Request) activity.Caller {
		c := auth.CallerFrom(r.Context())
		if c.Anonymous() {
			return activity.Caller{Address: address(r)}
		}
		w := activity.Caller{Subject: c.Subject, ExpiresAt: c.GoodUntil()}
		for _, role := range c.Roles {
			w.Roles = append(w.Roles, string(role))
		}
		return w
	}
}

// StillValid returns a function that reports whether the credentials of a request still
// identify the same caller: tokens expire and keys are revoked while a stream is open. If
// they cannot be checked within 5 s, it returns true, so that the stream continues.
func StillValid(identify Authenticate) func(*http.Request) bool {
	return func(r *http.Request) bool {
		const within = 5 * time.Second
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		now, err := identify(ctx, r.Header.Get("Authorization"))
		return err != nil && !unauthorized(err) || err == nil && now.ID() == auth.CallerFrom(r.Context()).ID()
	}
}
