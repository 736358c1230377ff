package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // the time zones of tasks, also on machines without a zone database

	"github.com/spf13/cobra"

	"quadrille/pkg/fault"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "quadrille:", explained(err))
		}
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

// explained returns an error's text with what a service found wrong in the request, a line each.
func explained(err error) string {
	text := err.Error()
	var refused *fault.Fault
	if errors.As(err, &refused) {
		for _, f := range refused.Fields {
			text += fmt.Sprintf("\n  %s: %s", strings.TrimPrefix(f.Pointer, "#/query/"), f.Detail)
		}
	}
	return text
}

// errReported ends the program with exit code 1 after a command has printed its error.
var errReported = errors.New("reported")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "quadrille",
		Short: "An event-driven back end for a shop",
		Long: `Quadrille runs a shop's back end: services such as inventory, catalog, wishlist
and sales. Each has its own database and REST API, publishes events about its changes,
and reacts to the events of the others.

Without configuration all services run in one process and use SQLite files. Environment
variables select servers instead: DATABASE_URL (PostgreSQL), AMQP_URL (RabbitMQ).
docs/operations.md lists all variables.`,
		Version:       thisBuild(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(newUp(), newServe(), newMigrate(), newTrafficCommand(), newAuditCommand(),
		newReplay(), newRebuild(), newDead(), newRefused(), newTasks(), newCall(), newKeysCommand(), newHealthy(), newVersion())
	return root
}

// untilSignal returns a context that ends at the first SIGINT or SIGTERM. A second signal
// ends the process at once.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(130)
	}()
	return ctx, cancel
}
