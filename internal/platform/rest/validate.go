package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// newValidator returns a middleware that checks each request against the document. Requests
// with an unknown path or method pass, and are refused by the router.
func newValidator(document *openapi3.T, cfg Config) (echo.MiddlewareFunc, error) {
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, fmt.Errorf("route OpenAPI document: %w", err)
	}
	limit := BodyLimits{Body: cfg.BodyLimit, CSV: cfg.CSVLimit, Upload: uploadsOf(document)}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			sent := c.Request().Body
			if err := limit.on(c); err != nil {
				return err
			}
			if err := errors.Join(checkQuery(c.Request().URL), checkText(c.Request().URL)); err != nil {
				return err
			}
			route, params, err := router.FindRoute(c.Request())
			if err == nil {
				err = validate(c.Request(), route, unescape(params, c.Request().URL))
			}
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				drain(sent)
			}
			if err != nil && !errors.Is(err, routers.ErrPathNotFound) && !errors.Is(err, routers.ErrMethodNotAllowed) {
				return err
			}
			return next(c)
		}
	}, nil
}

// unescape decodes the path parameters if the router matched the escaped path. It does so
// when the client has encoded more characters than necessary.
func unescape(params map[string]string, u *url.URL) map[string]string {
	if u.RawPath == "" {
		return params
	}
	plain := make(map[string]string, len(params))
	for name, value := range params {
		decoded, err := url.PathUnescape(value)
		if err != nil {
			decoded = value
		}
		plain[name] = decoded
	}
	return plain
}

// maxParameters bounds the parameters of a query. It is more than any operation accepts.
const maxParameters = 2_000

func checkQuery(u *url.URL) error {
	if n := 1 + strings.Count(u.RawQuery, "&"); n > maxParameters {
		return fault.New(fault.Malformed, "query_too_long", "the query has %d parameters, at most %d are allowed", n, maxParameters).
			With("#/query", "has %d parameters, at most %d are allowed", n, maxParameters)
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return fault.New(fault.Malformed, "query_malformed", "the query is not percent-encoded correctly").
			With("#/query", "is not percent-encoded correctly")
	}
	return nil
}

func isCSV(r *http.Request) bool { return mediaType(r) == "text/csv" }

func mediaType(r *http.Request) string {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return media
}

func validate(r *http.Request, route *routers.Route, params map[string]string) error {
	if err := checkBody(r, route.Operation); err != nil {
		return err
	}
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError: true, ExcludeRequestBody: isCSV(r),
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	})
	if err == nil {
		return nil
	}
	return explain(err)
}

// checkBody checks that the body has a media type that the operation accepts and, for JSON,
// that the whole body is valid.
func checkBody(r *http.Request, op *openapi3.Operation) error {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	content, media := op.RequestBody.Value.Content, mediaType(r)
	if content.Get(media) == nil || media == "" {
		return &echo.HTTPError{
			Code:    http.StatusUnsupportedMediaType,
			Message: fmt.Sprintf("the body must be of type %s, not %.60q", firstType(content), media),
		}
	}
	if media != echo.MIMEApplicationJSON {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return syntax(body)
}

func firstType(content openapi3.Content) string {
	for media := range content {
		return media
	}
	return "none"
}

// syntax returns a Malformed fault for an empty, invalid or too complex JSON body. The
// fault has the line and column of a syntax error.
func syntax(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return fault.New(fault.Malformed, "body_missing", "the body is empty; it must be a JSON object")
	}
	if err := checkComplexity(body); err != nil {
		return err
	}
	var ignored json.RawMessage
	err := json.Unmarshal(body, &ignored)
	var at *json.SyntaxError
	if errors.As(err, &at) {
		before := body[:min(int(at.Offset), len(body))]
		line := 1 + bytes.Count(before, []byte("\n"))
		return fault.New(fault.Malformed, "json_malformed", "the body is not valid JSON: %s at line %d, column %d",
			at.Error(), line, len(before)-bytes.LastIndexByte(before, '\n')-1)
	}
	return CheckJSON(body)
}
