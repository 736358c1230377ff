package gateway

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// myWishes leads /wishlist to the caller's own.
func myWishes(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		own := prefix + "/customers/" + url.PathEscape(callerOf(c).Subject)
		rest := u.EscapedPath()[len(prefix):]
		u.RawPath = own + rest
		path, err := url.PathUnescape(u.RawPath)
		if err != nil {
			return nothingHere()
		}
		u.Path = path
		return next(c)
	}
}

// ownWishes keeps customers to what is below their own name.
func ownWishes(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a, err := askedBy(c.Request())
		if err != nil {
			return err
		}
		if a.at(1) != callerOf(c).Subject {
			return fault.New(fault.NotFound, "customer_unknown", "there is no customer %s that is you", a.at(1))
		}
		return next(c)
	}
}
