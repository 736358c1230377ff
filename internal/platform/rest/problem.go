package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/dberr"
	"quadrille/pkg/fault"
)

// problems writes every error as a problem document. It logs the cause of an internal
// error, for which the caller gets the request's ID, and of a database error, for which the
// caller is only asked to try again.
func problems(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		f := faultOf(err)
		if f.Code == "timeout" && errors.Is(context.Cause(c.Request().Context()), ErrStopping) {
			f = Draining()
		}
		if f.Kind == fault.Internal {
			log.Error("request failed", "request_id", requestID(c), "method", methodOf(c), "path", c.Path(), "error", err)
			f = fault.New(fault.Internal, "internal", "internal error; the log has details for request %s", requestID(c))
		}
		switch dberr.Of(err) {
		case dberr.Unavailable, dberr.Conflict:
			log.Warn("request not answered: the database is unavailable", "request_id", requestID(c), "method", methodOf(c), "path", c.Path(), "error", err)
		case dberr.Unfit:
			log.Error("request not answered: the database lacks what this version needs", "request_id", requestID(c), "method", methodOf(c), "path", c.Path(), "error", err)
		case dberr.Other:
		}
		status := f.Kind.Status()
		var he *echo.HTTPError
		if errors.As(err, &he) && he.Code >= 400 && he.Code < 500 {
			status = he.Code
		}
		if f.Kind == fault.Unavailable {
			c.Response().Header().Set("Retry-After", "1")
		}
		if err := write(c, f.Problem(status)); err != nil {
			log.Debug("cannot send response", "request_id", requestID(c), "error", err)
		}
	}
}

func write(c echo.Context, p fault.Problem) error {
	c.Response().Header().Set(echo.HeaderContentType, fault.ProblemType)
	if c.Request().Method == http.MethodHead {
		return c.NoContent(p.Status)
	}
	c.Response().WriteHeader(p.Status)
	return c.Echo().JSONSerializer.Serialize(c, p, "")
}

// Draining returns the fault of a request that was cancelled because the process stops.
func Draining() *fault.Fault {
	return fault.New(fault.Unavailable, "draining", "this instance is stopping; the request may have taken effect: repeat it with the same Idempotency-Key or external_id")
}

// faultOf returns the fault in the chain of err, or converts err to one.
func faultOf(err error) *fault.Fault {
	var f *fault.Fault
	var he *echo.HTTPError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return fault.New(fault.TooLarge, "body_too_large", "the body has more than the allowed %d bytes", tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.New(fault.Unavailable, "timeout", "the response was not ready in time")
	case dberr.Transient(err):
		return fault.New(fault.Unavailable, "database_away", "the database is unavailable; try again in a moment")
	case errors.As(err, &he):
		return ofEcho(he)
	default:
		return fault.New(fault.Internal, "internal", "")
	}
}

func ofEcho(he *echo.HTTPError) *fault.Fault {
	switch {
	case he.Code == http.StatusNotFound:
		return fault.New(fault.NotFound, "path_unknown", "there is no such path; see the service's /docs")
	case he.Code == http.StatusMethodNotAllowed:
		return fault.New(fault.Malformed, "method_not_allowed", "this path does not support this method; see the Allow header")
	case he.Code == http.StatusRequestTimeout:
		return fault.New(fault.Malformed, "body_late", "%s", fmt.Sprint(he.Message))
	case he.Code == http.StatusUnsupportedMediaType:
		return fault.New(fault.Malformed, "media_type_unsupported", "%s", fmt.Sprint(he.Message))
	case he.Code >= 400 && he.Code < 500:
		return fault.New(fault.Malformed, "request_malformed", "%.300s", fmt.Sprint(he.Message))
	default:
		return fault.New(fault.Internal, "internal", "")
	}
}
