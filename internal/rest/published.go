package rest

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// Published is an OpenAPI document as it is served: to programs as YAML, and to
// people as a page that needs no script and nothing from elsewhere.
type Published struct {
	text, page []byte
	policy     string
}

// Publish prepares a document, which must be a valid one of OpenAPI 3.0.
func Publish(spec []byte) (*Published, error) {
	document, err := parseDocument(spec)
	if err != nil {
		return nil, err
	}
	return publish(document)
}

func publish(document *openapi3.T) (*Published, error) {
	text, err := marshalYAML(document)
	if err != nil {
		return nil, err
	}
	page, err := renderDocs(document)
	if err != nil {
		return nil, err
	}
	return &Published{text, page, docsPolicy()}, nil
}

// Register serves the document below prefix, as openapi.yaml and as docs. The page
// links to the document beside it, and sets its own Content-Security-Policy in place
// of whatever a middleware has set.
func (p *Published) Register(e *echo.Echo, prefix string) {
	reads := []string{http.MethodGet, http.MethodHead}
	e.Match(reads, prefix+"/openapi.yaml", func(c echo.Context) error {
		return c.Blob(http.StatusOK, "application/yaml", p.text)
	})
	e.Match(reads, prefix+"/docs", func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", p.policy)
		return c.HTMLBlob(http.StatusOK, p.page)
	})
}
