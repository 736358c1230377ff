package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// Upload tells whether a request is an upload: it may be larger than others, and take
// as long as its sender. What it says of itself is not enough.
type Upload func(*http.Request) bool

// UploadsTo are files of CSV that are posted to one of these paths.
func UploadsTo(paths ...string) Upload {
	to := map[string]bool{}
	for _, path := range paths {
		to[path] = true
	}
	return func(r *http.Request) bool { return r.Method == http.MethodPost && to[r.URL.Path] && isCSV(r) }
}

// uploadsOf returns the operations to which CSV files are posted.
func uploadsOf(document *openapi3.T) Upload {
	var paths []string
	for path, item := range document.Paths.Map() {
		if post := item.Post; post != nil && post.RequestBody != nil && post.RequestBody.Value.Content["text/csv"] != nil {
			paths = append(paths, path)
		}
	}
	return UploadsTo(paths...)
}

// Deadline bounds what a request may take: from its begin, and for an upload from the
// end of its body.
func Deadline(limit time.Duration, upload Upload) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if upload(c.Request()) {
				return pace(c, limit, next)
			}
			ctx, cancel := context.WithTimeout(c.Request().Context(), limit)
			defer cancel()
			c.SetRequest(c.Request().WithContext(ctx))
			return next(c)
		}
	}
}
