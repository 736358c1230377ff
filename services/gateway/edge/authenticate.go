package edge

import (
	"context"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/auth"
)

// Authenticate is who sends an Authorization header.
type Authenticate func(ctx context.Context, header string) (auth.Caller, error)

// authenticate finds out who calls, for all that comes after it. Nobody is refused for
// having no name; one for having a wrong one.
func authenticate(who Authenticate) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			caller, err := who(r.Context(), r.Header.Get("Authorization"))
			if err != nil {
				challenge(c, err)
				return err
			}
			c.SetRequest(r.WithContext(auth.WithCaller(r.Context(), caller)))
			return next(c)
		}
	}
}

// challenge says how to do better (RFC 6750, section 3).
func challenge(c echo.Context, err error) {
	if unauthorized(err) {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="quadrille"`)
	}
}

// callerOf is who calls.
func callerOf(c echo.Context) auth.Caller { return auth.CallerFrom(c.Request().Context()) }

// requireRole is nil for a caller who has one of the roles.
func requireRole(c echo.Context, roles ...auth.Role) error {
	caller := callerOf(c)
	switch {
	case caller.Anonymous():
		err := fault.New(fault.Unauthorized, "token_required", "sign in first: this needs the header Authorization: Bearer, with a token or an API key")
		challenge(c, err)
		return err
	case !caller.Is(roles...):
		return fault.New(fault.Forbidden, "role_required", "this is for the role %s", roles[0])
	}
	return nil
}

func unauthorized(err error) bool { return fault.Is(err, fault.Unauthorized) }
