// Package rest has the common parts of all REST APIs of Quadrille: it validates requests
// against the OpenAPI document, converts faults to problem documents (RFC 9457), and has
// entity tags (RFC 9110), cursors for lists, limits for requests, and the guard against
// foreign web pages.
package rest

import (
	"crypto/subtle"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/rest/call"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// Config configures a server. Service, Spec, Log and Metrics are required.
type Config struct {
	Service   string
	Spec      []byte // openapi.yaml
	Common    []byte // document of the endpoints that every service has; nil for none
	Log       *slog.Logger
	Token     string                // required bearer token, except for health and metrics; none if ""
	BodyLimit int64                 // bytes of a JSON body; 0 means 1 MiB
	CSVLimit  int64                 // bytes of a CSV body; 0 means 64 MiB
	Timeout   time.Duration         // of one request, for an upload from the end of its body; 0 means 30 s
	Metrics   prometheus.Registerer // request metrics are registered here
}

// New returns a server that validates requests against Spec and Common and serves both
// as one document, at /openapi.yaml and /docs. The caller adds the routes, and wraps the
// server in Heads.
func New(cfg Config) (*echo.Echo, error) {
	if cfg.BodyLimit == 0 {
		cfg.BodyLimit = 1 << 20
	}
	if cfg.CSVLimit == 0 {
		cfg.CSVLimit = 64 << 20
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	document, err := loadDocument(cfg.Spec, cfg.Common)
	if err != nil {
		return nil, err
	}
	check, err := newValidator(document, cfg)
	if err != nil {
		return nil, err
	}
	measured, err := measure(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	e := NewBare(cfg.Log, AccessLog{})
	e.Pre(measured, allowHead)
	e.Use(ReadWithin(cfg.Timeout), authorize(cfg.Token), rememberURL, cause, Deadline(cfg.Timeout, uploadsOf(document)), check)
	docs, err := publish(document)
	if err != nil {
		return nil, err
	}
	register(e, "", func() (*published, error) { return docs, nil })
	return e, nil
}

// NewBare returns a server without endpoints. It logs requests, and converts every error and
// panic to a problem document.
func NewBare(log *slog.Logger, access AccessLog) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = problems(log)
	e.Use(access.middleware(log), middleware.RecoverWithConfig(middleware.RecoverConfig{
		LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
			log.Error("handler panicked", "request_id", requestID(c), "error", err, "stack", string(stack))
			return errors.New("panic")
		},
	}))
	return e
}

// open reports whether a path needs no token, because load balancers and scrapers use it.
func open(path string) bool { return path == "/healthz" || path == "/readyz" || path == "/metrics" }

func authorize(token string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			given := strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer ")
			if token == "" || open(c.Request().URL.Path) || subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 {
				return next(c)
			}
			c.Response().Header().Set("WWW-Authenticate", "Bearer")
			return fault.New(fault.Unauthorized, "token_required", "this API requires the bearer token in INTERNAL_TOKEN")
		}
	}
}

// cause stores the caller's correlation ID and trace context in the request's context, for
// the events that the request causes.
func cause(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		why := events.Cause{CorrelationID: short(r.Header.Get(call.CorrelationHeader)), TraceParent: short(r.Header.Get(call.TraceHeader))}
		if why != (events.Cause{}) {
			c.SetRequest(r.WithContext(events.WithCause(r.Context(), why)))
		}
		return next(c)
	}
}

// short returns id, or "" if it has more than 128 bytes.
func short(id string) string {
	if len(id) > 128 {
		return ""
	}
	return id
}
