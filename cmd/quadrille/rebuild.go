package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/outbox"
)

func newRebuild() *cobra.Command {
	var force bool
	var port int
	cmd := &cobra.Command{
		Use:   "rebuild SERVICE",
		Short: "Publish a service's outbox anew, after the broker lost its history",
		Long: `rebuild deletes what is left of a service's history and has everything that its
outbox still holds (OUTBOX_KEEP) published again, in order. Whoever reads the service
notices that the history is another one, asks the service for what it has, and then
reads the new history; copies and effects do not double.

It refuses while the history begins with an event that the outbox does not hold any
more, since that event would be lost to whoever joins later; --force overrides it.
Interrupted, it is to be run again.`,
		Example: "  quadrille rebuild inventory",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := newRemote(args[0], port)
			if err != nil {
				return err
			}
			defer r.close()
			if r.service.ConsumerOnly {
				return fmt.Errorf("%s has no events of its own", r.service.Name)
			}
			ctx := cmd.Context()
			online, err := r.running(ctx)
			if err != nil {
				return err
			}
			if online {
				return r.rebuild(ctx, force, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return r.offline(ctx, func(conn *gorm.DB, b bus.Bus) error {
				return r.rebuildStopped(ctx, conn, b, force, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "rebuild although the history holds more than the outbox")
	portFlag(cmd, &port)
	return cmd
}

// rebuild has a running service do it, and watches its outbox drain.
func (r *remote) rebuild(ctx context.Context, force bool, out, progress io.Writer) error {
	total, err := r.Rebuild(ctx, force)
	if err != nil {
		return err
	}
	bar := newProgress(progress, "events", int(total))
	defer bar.end()
	for {
		at, err := r.Subscriptions(ctx)
		switch {
		case ctx.Err() != nil:
			fmt.Fprintf(out, "\n%s goes on publishing; only the display was stopped.\n", r.service.Name)
			return nil
		case err != nil:
			bar.waiting(err)
		case at.Outbox.Unsent == 0:
			bar.end()
			fmt.Fprintf(out, "%s has published %d events anew.\n", r.service.Name, total)
			return nil
		default:
			bar.set(int(total - at.Outbox.Unsent))
			if at.Outbox.Error != "" {
				bar.waiting(errors.New(at.Outbox.Error))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchEvery):
		}
	}
}

// rebuildStopped does it in the place of a service that does not run.
func (r *remote) rebuildStopped(ctx context.Context, conn *gorm.DB, b bus.Bus, force bool, out, progress io.Writer) error {
	relay, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: b, Stream: r.service.Name, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	total, err := relay.Rebuild(ctx, force)
	if errors.Is(err, outbox.ErrHistoryHoldsMore) {
		return fmt.Errorf("%w: whoever comes later would miss them; --force rebuilds nevertheless", err)
	}
	if err != nil {
		return err
	}
	bar := newProgress(progress, "events", int(total))
	defer bar.end()
	for published := 0; published < int(total); bar.set(published) {
		n, err := relay.RunOnce(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d events are published, the others follow when %s is started: %w", published, total, r.service.Name, err)
		}
		if published += n; n == 0 {
			break
		}
	}
	bar.end()
	fmt.Fprintf(out, "%s's outbox was published anew: %d events.\n", r.service.Name, total)
	return nil
}
