package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/internal/platform/ops"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
)

// remote gives a command access to a service that is running or stopped.
type remote struct {
	cfg         app.Config
	service     app.Service
	connections *app.Connections
	http        *http.Client
	*ops.Client
}

func newRemote(name string, port int) (*remote, error) {
	cfg, err := fromEnvironment()
	if err != nil {
		return nil, err
	}
	if port != 0 {
		cfg.Port = port
	}
	service, err := serviceNamed(cfg, name)
	if err != nil {
		return nil, err
	}
	if name == app.Gateway && cfg.Token == "" {
		cfg.Token = cfg.LocalToken()
	}
	connections, err := newConnections(cfg)
	if err != nil {
		return nil, err
	}
	hc := connections.HTTP(callTimeout)
	return &remote{cfg: cfg, service: service, connections: connections, http: hc, Client: ops.New(cfg.URL(name), hc)}, nil
}

// running reports whether the service is running. For the gateway it also points the client
// to the internal API, which has the gateway's operations endpoints.
func (r *remote) running(ctx context.Context) (bool, error) {
	if r.service.Name != app.Gateway {
		return r.Alive(ctx), nil
	}
	found := findInternalAPI(ctx, r.cfg, r.http)
	r.Client = ops.New(found.url, r.http)
	return found.runs, found.err
}

// mustRun returns an error if the service is not running.
func (r *remote) mustRun(ctx context.Context) error {
	online, err := r.running(ctx)
	if err == nil && !online {
		err = fmt.Errorf("%s is not running; start it first", r.service.Name)
	}
	return err
}

// operations gives access to dead letters and refused events of a service that is running
// or stopped.
type operations interface {
	deadReader
	refusedEvents
}

// runningOrStopped calls work with the service's API if it is running, and with its database
// otherwise.
func (r *remote) runningOrStopped(ctx context.Context, work func(operations) error) error {
	online, err := r.running(ctx)
	switch {
	case err != nil:
		return err
	case online:
		return work(r.Client)
	default:
		return r.withDatabase(ctx, func(conn *gorm.DB) error { return work(ops.Stopped{DB: conn}) })
	}
}

// portFlag adds --port to cmd.
func portFlag(cmd *cobra.Command, port *int) {
	cmd.Flags().IntVar(port, "port", 0, "the gateway's port; the services use the following ports (PORT)")
}

// parseIDs parses the IDs of dead letters or refused events. Its error names them with what,
// and the command that shows them with list.
func parseIDs(args []string, what, list string) (ids []int64, err error) {
	for _, a := range args {
		id, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not the ID of a %s; quadrille %s shows the IDs", a, what, list)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// indented returns an event as indented JSON, and false if it is empty or not JSON.
func indented(event json.RawMessage) (string, bool) {
	var pretty bytes.Buffer
	if len(event) == 0 || json.Indent(&pretty, event, "", "  ") != nil {
		return "", false
	}
	lines := strings.Split(pretty.String(), "\n")
	for i, line := range lines {
		lines[i] = oneLine(line)
	}
	return strings.Join(lines, "\n"), true
}

// newConnections returns a command's connections to the services, which log warnings to stderr.
func newConnections(cfg app.Config) (*app.Connections, error) {
	log, err := app.NewLog(os.Stderr, slog.LevelWarn.String(), "text")
	if err != nil {
		return nil, err
	}
	return app.NewConnections(cfg, log), nil
}

func (r *remote) close() { _ = r.connections.Close() }

// offline opens the database and the event log of a stopped service, calls work, and closes
// both.
func (r *remote) offline(ctx context.Context, work func(*gorm.DB, bus.Bus) error) error {
	return r.withDatabase(ctx, func(conn *gorm.DB) error {
		return r.withLog(ctx, func(b bus.Bus) error { return work(conn, b) })
	})
}

// withDatabase opens the database of a stopped service, calls work, and closes it.
func (r *remote) withDatabase(ctx context.Context, work func(*gorm.DB) error) error {
	log, err := app.NewLog(os.Stderr, slog.LevelWarn.String(), "text")
	if err != nil {
		return err
	}
	conn, err := app.OpenDatabase(ctx, r.cfg, r.service, log)
	if err != nil {
		return fmt.Errorf("%s does not answer at %s, and its database cannot be opened: %w", r.service.Name, r.cfg.URL(r.service.Name), err)
	}
	defer db.Close(conn) //nolint:errcheck // every write has been committed
	return work(conn)
}

// withLog opens the event log, calls work, and closes it.
func (r *remote) withLog(ctx context.Context, work func(bus.Bus) error) error {
	b, err := r.connections.OpenBus()
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // every publish has been confirmed
	if broker, remote := b.(*rabbitmq.Log); remote {
		if err := broker.Ready(ctx); err != nil {
			return fmt.Errorf("reach the event log: %w", err)
		}
	}
	return work(b)
}
