package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "quadrille:", err)
		}
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

// errReported: what went wrong was told already; only the exit code is left.
var errReported = errors.New("reported")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "quadrille",
		Short: "A shop's back end as a dance that nobody conducts",
		Long: `Quadrille runs a shop's back end: inventory, catalog, wishlist and sales, each
with its own database and REST API, which tell each other what changed by events.

Without any configuration everything runs in one process on SQLite files. The
environment puts it on real parts: DATABASE_URL (PostgreSQL), AMQP_URL (RabbitMQ);
docs/operations.md lists every variable.`,
		Version:       thisBuild(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(newUp(), newServe(), newMigrate(), newTrafficCommand(), newAuditCommand(),
		newReplay(), newRebuild(), newDead(), newRefused(), newCall(), newKeysCommand(), newHealthy(), newVersion())
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
