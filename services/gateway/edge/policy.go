package edge

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/app"
	"quadrille/pkg/fault"
	"quadrille/services/gateway/auth"
)

// resource identifies the target of a request: method and path segments after the
// prefix. Segments are decoded one by one, as in the services, so that the policy sees
// what the service will see.
type resource struct {
	method   string
	segments []string
}

func resourceOf(r *http.Request) (resource, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), prefix), "/")
	a := resource{method: r.Method}
	if hasDotSegment(r.URL.Path) {
		return a, errPathUnknown()
	}
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return a, errPathUnknown()
		}
		a.segments = append(a.segments, decoded)
	}
	return a, nil
}

// hasDotSegment reports whether the path contains a segment . or .., which could bypass
// the policy.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func errPathUnknown() error {
	return fault.New(fault.NotFound, "path_unknown", "there is no resource at this path; see %s/docs", prefix)
}

// isRead reports whether the method is safe: GET, HEAD or OPTIONS.
func (a resource) isRead() bool {
	return a.method == http.MethodGet || a.method == http.MethodHead || a.method == http.MethodOptions
}

// at returns segment n, or "" if there is none.
func (a resource) at(n int) string {
	if n < len(a.segments) {
		return a.segments[n]
	}
	return ""
}

// rolesOf returns the roles that may make the request by this route; none: everybody.
func (a resource) rolesOf(r route) []auth.Role {
	roles := r.write
	if a.isRead() {
		roles = r.read
	}
	switch {
	case len(roles) == 0:
		return []auth.Role{auth.Staff}
	case slices.Contains(roles, app.Everybody):
		return nil
	default:
		return roles
	}
}

// requireStaff refuses callers without the role staff.
func requireStaff(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := requireRole(c, auth.Staff); err != nil {
			return err
		}
		return next(c)
	}
}

// admit passes on the requests that the gateway forwards by the route r: those of an
// operation of the public document, by a caller with a role that r allows. It refuses a
// request for which the table has another route, because the router does not decode path
// segments and the table does.
func (s *Server) admit(r route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			a, err := resourceOf(c.Request())
			if err != nil {
				return err
			}
			published := s.public.find(a.segments)
			if decided := s.routes.match(a.segments); decided == nil || decided.path != r.path || published == nil {
				return errPathUnknown()
			}
			if roles := a.rolesOf(r); len(roles) > 0 {
				if err := requireRole(c, roles...); err != nil {
					return err
				}
			}
			return published.requireMethod(c, next)
		}
	}
}

// restrictedToOwn reports whether the caller has none of the roles that may access the
// data of all customers.
func restrictedToOwn(caller auth.Caller, unrestricted ...auth.Role) bool {
	return !slices.ContainsFunc(unrestricted, func(r auth.Role) bool { return caller.Is(r) })
}
