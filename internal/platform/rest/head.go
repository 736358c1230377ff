package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// asHead marks in a context that what is answered as a GET was asked as a HEAD.
type asHead struct{}

// Heads answers a HEAD as the GET it is about (RFC 9110, section 9.3.2). The body
// that h writes gets no further than the server around it, which looks at its own
// request. h must end by itself: a stream would not.
func Heads(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(context.WithValue(r.Context(), asHead{}, true))
			r.Method = http.MethodGet
		}
		h.ServeHTTP(w, r)
	})
}

// methodOf returns the request's method as the caller said it.
func methodOf(c echo.Context) string {
	if c.Request().Context().Value(asHead{}) != nil {
		return http.MethodHead
	}
	return c.Request().Method
}

// allowHead has an Allow header that names GET name HEAD, too.
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
