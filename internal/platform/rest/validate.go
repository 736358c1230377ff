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

// newValidator checks each request against the document before any handler sees
// it. A path or method that the document does not know is left to the router.
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

// unescape decodes the path parameters where the router matched the escaped path,
// which it does when the client encoded more than it had to. The URL is parsed, so
// each escape in it is valid.
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

// maxParameters is how many parameters a query may have: more than any list that an
// operation takes.
const maxParameters = 2_000

func checkQuery(u *url.URL) error {
	if n := 1 + strings.Count(u.RawQuery, "&"); n > maxParameters {
		return fault.New(fault.Malformed, "query_too_long", "the query has %d parameters; %d are taken", n, maxParameters).
			With("#/query", "has %d parameters; %d are taken", n, maxParameters)
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return fault.New(fault.Malformed, "query_malformed", "the query is not percent-encoded as it must be").
			With("#/query", "is not percent-encoded as it must be")
	}
	return nil
}

// BodyLimits is how many bytes bodies may have.
type BodyLimits struct {
	Body   int64
	CSV    int64 // of uploads
	Upload Upload
}

// Middleware caps bodies without looking into them.
func (l BodyLimits) Middleware() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			sent := c.Request().Body
			if err := l.on(c); err != nil {
				return err
			}
			err := next(c)
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				drain(sent)
			}
			return err
		}
	}
}

// drain takes some of what is still being sent: a sender that is cut off in the
// middle of it often does not see the answer.
func drain(body io.Reader) {
	const patience = 8 << 20
	_, _ = io.CopyN(io.Discard, body, patience) // the answer is the same either way
}

// on caps the body. One that says it is too large is refused unread.
func (l BodyLimits) on(c echo.Context) error {
	r, limit := c.Request(), l.Body
	if l.Upload(r) {
		limit = l.CSV
	}
	if r.ContentLength > limit {
		c.Response().Header().Set("Connection", "close")
		return &http.MaxBytesError{Limit: limit}
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(c.Response(), wholeBody{r.Body}, limit)
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

// checkBody makes sure that the body is of a type that the operation takes and,
// where that is JSON, that it is JSON and nothing after it.
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

// syntax says where JSON breaks off.
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
		return fault.New(fault.Malformed, "json_malformed", "the body is no JSON: %s at line %d, column %d",
			at.Error(), line, len(before)-bytes.LastIndexByte(before, '\n')-1)
	}
	return CheckJSON(body)
}
