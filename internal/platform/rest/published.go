package rest

import (
	"net/http"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// published is an OpenAPI document as it is served: to programs as YAML, and to
// people as a page that needs no script and nothing from elsewhere.
type published struct{ text, page []byte }

// Publish serves an OpenAPI 3.0 document below prefix, as openapi.yaml and as docs.
// The page links to the document beside it, and sets its own Content-Security-Policy
// in place of whatever a middleware has set. The document is read when somebody asks
// for it first, which spares a start that time; where it is not valid, that is an
// error of the request.
func Publish(e *echo.Echo, prefix string, spec []byte) {
	register(e, prefix, sync.OnceValues(func() (*published, error) {
		document, err := parseDocument(spec)
		if err != nil {
			return nil, err
		}
		return publish(document)
	}))
}

func publish(document *openapi3.T) (*published, error) {
	text, err := marshalYAML(document)
	if err != nil {
		return nil, err
	}
	page, err := renderDocs(document)
	if err != nil {
		return nil, err
	}
	return &published{text, page}, nil
}

func register(e *echo.Echo, prefix string, get func() (*published, error)) {
	reads, policy := []string{http.MethodGet, http.MethodHead}, docsPolicy()
	e.Match(reads, prefix+"/openapi.yaml", func(c echo.Context) error {
		p, err := get()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/yaml", p.text)
	})
	e.Match(reads, prefix+"/docs", func(c echo.Context) error {
		p, err := get()
		if err != nil {
			return err
		}
		c.Response().Header().Set("Content-Security-Policy", policy)
		return c.HTMLBlob(http.StatusOK, p.page)
	})
}
