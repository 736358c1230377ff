package app

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"gorm.io/gorm"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/task"
	"quadrille/pkg/timer"
)

// Service describes a service to the runtime. The runtime provides all that the services have
// in common: database, log, relay, operations endpoints, start and stop.
type Service struct {
	Name       string
	Migrations fs.FS  // migrations/postgres/NNNNN_name.sql and migrations/sqlite/NNNNN_name.sql
	Spec       []byte // openapi.yaml
	// ConsumerOnly says that the service publishes no events: it gets no stream and no relay.
	ConsumerOnly bool
	// Reads names the streams that the service consumes, each by the service that publishes
	// it. The service does not start if its consumers and Reads differ.
	Reads []string
	// Public lists the paths of the service's public operations. Only services and operators
	// reach the other operations.
	Public []Route
	// Tables declares each table of Migrations, besides CommonTables.
	Tables []Table
	// Build constructs the service. It starts nothing.
	Build func(Deps) (Components, error)
}

// Deps holds what the runtime provides to a service.
type Deps struct {
	DB   *gorm.DB
	Bus  bus.Bus
	Log  *slog.Logger
	HTTP *http.Client                // reaches every service; adds time-outs, token, trace and correlation ID
	URL  func(service string) string // base URL of another service
	Wake func()                      // wakes the relay; call it after a commit with outbox rows
	// Redis returns the shared Redis client, or nil if no Redis is configured.
	Redis func() (*redis.Client, error)
	// Zone is the time zone of daily tasks.
	Zone *time.Location
	// Metrics registers the service's own metrics for /metrics. It is nil in tests that do
	// not read them.
	Metrics prometheus.Registerer

	// Orders has the times of ORDER_TIMEOUT and ORDER_SHIP_REMINDER.
	Orders OrderTimes
	// Keep has the times of IMPORTS_KEEP and AUDITS_KEEP.
	Keep Keep

	at       func(point string)
	noStream func(stream string)
}

// Consumer returns the configuration of subscriber's consumer of a stream. subscriber is the
// name of the service. With nil types, the consumer handles events of every type.
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

// Components are the parts of a service that the runtime runs.
type Components struct {
	Routes func(*echo.Echo) // nil for none
	// Front, if set, wraps the handler of all requests. internal serves the common endpoints
	// and Routes.
	Front func(internal http.Handler) http.Handler
	// Drain, if set, is called when the service begins to stop. It must end requests that do
	// not end by themselves, such as streams.
	Drain     func()
	Consumers []*consumer.Consumer
	// Checks are the service's own readiness checks for /readyz, besides those of database,
	// log, relay and consumers.
	Checks []ready.Check
	// Workers run in the instance that holds the lease, PerInstance in every instance. Both
	// run until their context ends; returning earlier fails the process.
	Workers     []func(context.Context) error
	PerInstance []func(context.Context) error
	// Timers has the handlers of the service's timers by kind. The task timers fires
	// them. Timers without a handler stay until a version of the service has one.
	Timers map[string]timer.Handler
	// Tasks are the service's periodic tasks, besides those that every service has. One
	// instance runs each of them, whichever holds the lease.
	Tasks []task.Task
}
