package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Deadline bounds what a request may take. An upload takes as long as its sender.
func Deadline(limit time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if isCSV(c.Request()) && c.Request().Method == http.MethodPost {
				return next(c)
			}
			ctx, cancel := context.WithTimeout(c.Request().Context(), limit)
			defer cancel()
			c.SetRequest(c.Request().WithContext(ctx))
			return next(c)
		}
	}
}
