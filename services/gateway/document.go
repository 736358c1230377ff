package gateway

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/internal/rest"
)

// document is the contract of the public API. Nothing is generated from it and no
// request is checked against it here, for the services do that with their own: tests
// hold the two together.
//
//go:embed openapi.yaml
var document []byte

// documentRoutes serves the document to everybody, and leads there from where people
// look first.
func documentRoutes(e *echo.Echo) {
	rest.Publish(e, prefix, document)
	for _, path := range []string{"/openapi.yaml", "/docs"} {
		e.Match(reads, path, func(c echo.Context) error {
			return c.Redirect(http.StatusPermanentRedirect, prefix+path)
		})
	}
}
