package edge

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// toOwnWishlist rewrites /wishlist to the caller's own.
func toOwnWishlist(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		own := prefix + "/customers/" + url.PathEscape(callerOf(c).Subject)
		rest := u.EscapedPath()[len(prefix):]
		u.RawPath = own + rest
		path, err := url.PathUnescape(u.RawPath)
		if err != nil {
			return errPathUnknown()
		}
		u.Path = path
		return next(c)
	}
}

// requireOwnWishlist restricts customers to paths below their own name.
func requireOwnWishlist(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a, err := resourceOf(c.Request())
		if err != nil {
			return err
		}
		if a.at(1) != callerOf(c).Subject {
			return fault.New(fault.NotFound, "customer_unknown", "there is no customer %s that is you", a.at(1))
		}
		return next(c)
	}
}
