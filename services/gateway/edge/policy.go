package edge

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

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
	path := strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), prefix), "/")
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

// allowedRoles returns the roles that may make the request. An empty list allows all
// callers, including anonymous ones.
func (a resource) allowedRoles() []auth.Role {
	switch a.at(0) {
	case "products":
		if a.isRead() {
			return nil
		}
		return []auth.Role{auth.Staff}
	case "skus", "receipts", "adjustments", "imports":
		return []auth.Role{auth.Warehouse}
	case "orders":
		return a.orderRoles()
	case "wishlist", "customers":
		return []auth.Role{auth.Customer}
	default:
		return []auth.Role{auth.Staff}
	}
}

func (a resource) orderRoles() []auth.Role {
	switch {
	case a.at(2) == "ship":
		return []auth.Role{auth.Warehouse}
	case a.isRead():
		return []auth.Role{auth.Customer, auth.Warehouse, auth.Staff}
	default:
		return []auth.Role{auth.Customer, auth.Staff}
	}
}

// requireAllowed refuses callers without an allowed role.
func requireAllowed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a, err := resourceOf(c.Request())
		if err != nil {
			return err
		}
		if roles := a.allowedRoles(); len(roles) > 0 {
			if err := requireRole(c, roles...); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// restrictedToOwn reports whether the caller has none of the roles that may access the
// data of all customers.
func restrictedToOwn(caller auth.Caller, unrestricted ...auth.Role) bool {
	return !slices.ContainsFunc(unrestricted, func(r auth.Role) bool { return caller.Is(r) })
}
