package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// asHead is the context key that marks a HEAD request which is handled as a GET.
type asHead struct{}

// Heads passes HEAD requests to h as GET (RFC 9110, section 9.3.2). The server around it
// knows the original method and drops the body. h must end by itself, so it must not stream.
func Heads(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(context.WithValue(r.Context(), asHead{}, true))
			r.Method = http.MethodGet
		}
		h.ServeHTTP(w, r)
	})
}

// methodOf returns the original method of the request.
func methodOf(c echo.Context) string {
	if c.Request().Context().Value(asHead{}) != nil {
		return http.MethodHead
	}
	return c.Request().Method
}

// allowHead adds HEAD to Allow headers that have GET.
func allowHead(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		c.Response().Before(func() {
			methods := strings.Split(h.Get(echo.HeaderAllow), ", ")
			if slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
				h.Set(echo.HeaderAllow, strings.Join(append(methods, http.MethodHead), ", "))
			}
		})
		return next(c)
	}
}
