package gateway

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// guard lets pass who may: everybody reads products, and whoever has the token does
// everything. An empty token lets everybody pass.
func guard(token string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if dotted(c.Request().URL.Path) {
				return fault.New(fault.NotFound, "path_unknown", "there is nothing at this path")
			}
			if token == "" || open(c.Request()) || bears(c.Request(), token) {
				return next(c)
			}
			c.Response().Header().Set("WWW-Authenticate", "Bearer")
			return fault.New(fault.Unauthorized, "token_required", "this needs the header Authorization: Bearer with the gateway's token")
		}
	}
}

// open: it reads products.
func open(r *http.Request) bool {
	rest, products := strings.CutPrefix(r.URL.Path, prefix+"/products")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	return products && reads && (rest == "" || rest[0] == '/')
}

// bears reports whether r bears the token (RFC 6750, section 2.1).
func bears(r *http.Request, token string) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(strings.TrimSpace(given)), []byte(token)) == 1
}

// dotted: a segment of the path would lead elsewhere, past what guards look at.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
