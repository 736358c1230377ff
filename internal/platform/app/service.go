package app

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"gorm.io/gorm"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
)

// Service is what a service tells the runtime about itself. The runtime does
// everything that is the same for all: database, log, relay, ops endpoints,
// start and stop.
type Service struct {
	Name       string
	Migrations fs.FS  // migrations/postgres/NNNNN_name.sql and migrations/sqlite/NNNNN_name.sql
	Spec       []byte // openapi.yaml
	// ConsumerOnly says that the service publishes no events: it gets no stream and no relay.
	ConsumerOnly bool
	// Reads names the streams that the service follows, each by the service that publishes
	// it. A service whose consumers follow others does not start.
	Reads []string
	// Public are the paths that the gateway forwards to the service. Others are for services
	// and operators alone.
	Public []Route
	// Build puts the service together. It starts nothing.
	Build func(Deps) (Components, error)
}

// Deps is what the runtime gives a service.
type Deps struct {
	DB   *gorm.DB
	Bus  bus.Bus
	Log  *slog.Logger
	HTTP *http.Client                // reaches every service: time-outs, token, trace and correlation are its business
	URL  func(service string) string // base URL of another service
	Wake func()                      // after a commit with outbox rows: there is something to relay
	// Redis is what processes share beside the database; nil where there is none.
	Redis func() (*redis.Client, error)
	// Metrics takes what the service itself measures, for /metrics; nil in tests that
	// do not look.
	Metrics prometheus.Registerer

	at       func(point string)
	noStream func(stream string)
}

// Consumer returns the configuration of the service subscriber's consumer of a stream. nil
// types handles events of every type.
func (d Deps) Consumer(subscriber, stream string, types []string) consumer.Config {
	return consumer.Config{
		Bus: d.Bus, DB: d.DB, Log: d.Log, OnCommit: d.Wake, Hook: d.at,
		Subscriber: subscriber, Stream: stream, Types: types,
		OnNoStream: func() {
			if d.noStream != nil {
				d.noStream(stream)
			}
		},
	}
}

// Components is what a service is made of, for the runtime to run.
type Components struct {
	Routes func(*echo.Echo) // nil for none
	// Front, where set, answers all requests. It is handed what would answer
	// otherwise: the common endpoints and Routes.
	Front func(internal http.Handler) http.Handler
	// Drain, where set, is called when the service is told to stop, for what would
	// keep a request from ending by itself.
	Drain     func()
	Consumers []*consumer.Consumer
	// Checks are what the service needs besides database, log, relay and consumers to get
	// its work done, for /readyz.
	Checks []ready.Check
	// Workers run in the instance that holds the lease, PerInstance in each; both until
	// their context ends. One that returns early is an error.
	Workers     []func(context.Context) error
	PerInstance []func(context.Context) error
}
