package rest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

//go:embed assets/docs.html
var docsTemplate string

//go:embed assets/docs.css
var docsStyle string

// docsPolicy returns the Content-Security-Policy of the page. It allows only the page's own
// style, by its digest (Content Security Policy Level 3, section 8.4).
func docsPolicy() string {
	digest := sha256.Sum256([]byte(docsStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// docsPage has the data of the page's template.
type docsPage struct {
	Title, Version, Description string
	Style                       template.CSS
	Groups                      []docsGroup
	Schemas                     []docsSchema
}

type docsGroup struct {
	Name, Description string
	Operations        []docsOperation
}

type docsOperation struct {
	Method, Path, Summary, Description, ID string
	Parameters                             []docsParameter
	Body                                   string
	Answers                                []docsAnswer
}

type docsParameter struct {
	Name, In, Type, Description string
	Required                    bool
}

type docsAnswer struct{ Status, Description, Headers, Schema, Example string }

type docsSchema struct{ Name, Text string }

// renderDocs renders the page at /docs. The page needs no script and no other resource.
func renderDocs(document *openapi3.T) ([]byte, error) {
	page := docsPage{
		Title: document.Info.Title, Version: document.Info.Version, Description: document.Info.Description,
		Style: template.CSS(docsStyle), //nolint:gosec // a file of ours
	}
	groups := map[string]int{}
	for _, tag := range document.Tags { // the document's own order
		groups[tag.Name] = len(page.Groups)
		page.Groups = append(page.Groups, docsGroup{Name: tag.Name, Description: tag.Description})
	}
	for _, path := range slices.Sorted(maps.Keys(document.Paths.Map())) {
		item := document.Paths.Value(path)
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			op := item.GetOperation(method)
			if op == nil {
				continue
			}
			n, known := groups[tagOf(op)]
			if !known {
				n = len(page.Groups)
				groups[tagOf(op)] = n
				page.Groups = append(page.Groups, docsGroup{Name: tagOf(op)})
			}
			g := &page.Groups[n]
			g.Operations = append(g.Operations, describe(method, path, item, op))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		text, err := json.MarshalIndent(document.Components.Schemas[name], "", "  ")
		if err != nil {
			return nil, fmt.Errorf("render docs: %w", err)
		}
		page.Schemas = append(page.Schemas, docsSchema{Name: name, Text: string(text)})
	}
	t, err := template.New("docs").Funcs(template.FuncMap{"paragraphs": paragraphs}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("render docs: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, page); err != nil {
		return nil, fmt.Errorf("render docs: %w", err)
	}
	return out.Bytes(), nil
}

// paragraphs splits a description at the line breaks that YAML's folding leaves.
func paragraphs(text string) []string { return strings.Split(text, "\n") }

// tagOf returns the name of the group that shows an operation.
func tagOf(op *openapi3.Operation) string {
	if len(op.Tags) == 0 {
		return "other"
	}
	return op.Tags[0]
}

func describe(method, path string, item *openapi3.PathItem, op *openapi3.Operation) docsOperation {
	d := docsOperation{Method: method, Path: path, Summary: op.Summary, Description: op.Description, ID: op.OperationID}
	for _, p := range append(append(openapi3.Parameters{}, item.Parameters...), op.Parameters...) {
		d.Parameters = append(d.Parameters, docsParameter{
			Name: p.Value.Name, In: p.Value.In, Required: p.Value.Required,
			Type: typeOf(p.Value.Schema), Description: p.Value.Description,
		})
	}
	if op.RequestBody != nil {
		d.Body = contentOf(op.RequestBody.Value.Content)
	}
	answers := op.Responses.Map()
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		answer := answers[status].Value
		text := ""
		if answer.Description != nil {
			text = *answer.Description
		}
		d.Answers = append(d.Answers, docsAnswer{
			Status: status, Description: text, Headers: strings.Join(slices.Sorted(maps.Keys(answer.Headers)), ", "),
			Schema: contentOf(answer.Content), Example: exampleOf(answer.Content),
		})
	}
	return d
}

func contentOf(content openapi3.Content) string {
	var kinds []string
	for _, media := range slices.Sorted(maps.Keys(content)) {
		kinds = append(kinds, strings.TrimSpace(media+" "+typeOf(content[media].Schema)))
	}
	return strings.Join(kinds, ", ")
}

// exampleOf returns the document's example of a text response, or "".
func exampleOf(content openapi3.Content) string {
	for _, media := range content {
		if text, is := media.Example.(string); is {
			return text
		}
	}
	return ""
}

// typeOf describes a schema in a few words.
func typeOf(ref *openapi3.SchemaRef) string {
	switch {
	case ref == nil || ref.Value == nil:
		return ""
	case ref.Ref != "":
		return ref.Ref[strings.LastIndexByte(ref.Ref, '/')+1:]
	case ref.Value.Type.Is("array"):
		return "list of " + typeOf(ref.Value.Items)
	case ref.Value.Type != nil:
		return strings.Join(*ref.Value.Type, " or ")
	default:
		return ""
	}
}

// published is an OpenAPI document in the two forms that are served: YAML, and an HTML page.
type published struct{ text, page []byte }

// Publish serves an OpenAPI 3.0 document below prefix, as openapi.yaml and as docs. The page
// links to the document beside it, and replaces the Content-Security-Policy of any
// middleware. The document is parsed at the first request, to save time at start; if it is
// invalid, requests fail.
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
