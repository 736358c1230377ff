package edge

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
)

// Authenticate returns the caller that sends an Authorization header.
type Authenticate func(ctx context.Context, header string) (auth.Caller, error)

// authenticate puts the caller into the context of the request. It refuses invalid
// credentials; a request without any is anonymous.
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

// challenge adds WWW-Authenticate to a refusal of credentials (RFC 6750, section 3).
func challenge(c echo.Context, err error) {
	if unauthorized(err) {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="quadrille"`)
	}
}

// callerOf returns the caller of the request.
func callerOf(c echo.Context) auth.Caller { return auth.CallerFrom(c.Request().Context()) }

// requireRole returns a fault unless the caller has one of the roles: Unauthorized for
// an anonymous caller, else Forbidden.
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

// me is the caller, as the API shows it.
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

// StreamCaller converts the caller of a request to that of a stream of events.
// Anonymous callers are told apart by address.
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

// StillValid reports whether a request would still be accepted as the same caller:
// tokens expire and keys are revoked while a stream is open. If the credentials cannot
// be checked within 5 s, the stream goes on.
func StillValid(who Authenticate) func(*http.Request) bool {
	return func(r *http.Request) bool {
		const within = 5 * time.Second
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		now, err := who(ctx, r.Header.Get("Authorization"))
		return err != nil && !unauthorized(err) || err == nil && now.ID() == auth.CallerFrom(r.Context()).ID()
	}
}
