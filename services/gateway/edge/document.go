package edge

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/internal/rest"
)

// documentRoutes serves the document to everybody, and leads there from where people
// look first.
func documentRoutes(e *echo.Echo, document []byte) {
	rest.Publish(e, prefix, document)
	for _, path := range []string{"/openapi.yaml", "/docs"} {
		e.Match(reads, path, func(c echo.Context) error {
			return c.Redirect(http.StatusPermanentRedirect, prefix+path)
		})
	}
}
