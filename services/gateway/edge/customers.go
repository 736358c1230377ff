package edge

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/auth"
)

// toOwn rewrites a path without a customer, such as /wishlist, to the path that names the
// caller as the customer.
func toOwn(r route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			u := c.Request().URL
			u.RawPath = r.ownTarget(u.EscapedPath(), callerOf(c).Subject)
			path, err := url.PathUnescape(u.RawPath)
			if err != nil {
				return errPathUnknown()
			}
			u.Path = path
			return next(c)
		}
	}
}

// requireOwnName restricts a caller to paths below their own name, if customer is the only
// one of their roles that the route allows.
func requireOwnName(r route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			a, err := resourceOf(c.Request())
			if err != nil {
				return err
			}
			others := withoutCustomer(a.rolesOf(r))
			if name, _ := r.customerOf(a.segments); name != callerOf(c).Subject && restrictedToOwn(callerOf(c), others...) {
				return fault.New(fault.NotFound, "customer_unknown", "there is no customer %s, or the caller is not that customer", name)
			}
			return next(c)
		}
	}
}

// withoutCustomer returns the roles other than customer.
func withoutCustomer(roles []auth.Role) (others []auth.Role) {
	for _, role := range roles {
		if role != auth.Customer {
			others = append(others, role)
		}
	}
	return others
}
