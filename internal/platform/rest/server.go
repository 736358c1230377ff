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

// Config says what a server answers for.
type Config struct {
	Service   string
	Spec      []byte // openapi.yaml
	Common    []byte // document of the endpoints that every service has; nil for none
	Log       *slog.Logger
	Token     string                // demanded as a bearer token where set, but for health and metrics
	BodyLimit int64                 // bytes of a JSON body; 1 MiB where 0
	CSVLimit  int64                 // bytes of a CSV body; 64 MiB where 0
	Timeout   time.Duration         // of one request, and of an upload from its end on; 30 s where 0
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

// NewBare makes a server without any endpoint: it logs requests, and every error
// and every panic becomes a problem document.
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

// open are the paths that need no token: a load balancer and a scraper have none.
func open(path string) bool { return path == "/healthz" || path == "/readyz" || path == "/metrics" }

func authorize(token string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			given := strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer ")
			if token == "" || open(c.Request().URL.Path) || subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 {
				return next(c)
			}
			c.Response().Header().Set("WWW-Authenticate", "Bearer")
			return fault.New(fault.Unauthorized, "token_required", "this API demands the bearer token that INTERNAL_TOKEN names")
		}
	}
}

// cause takes over from the caller why the request is made, for the events that
// come of it.
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

// short drops what is too long to be an identifier.
func short(id string) string {
	if len(id) > 128 {
		return ""
	}
	return id
}
