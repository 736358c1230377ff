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
		Short: "Publish a service's outbox again after the broker lost its history",
		Long: `rebuild deletes the rest of a service's history and publishes all events that its
outbox still has (OUTBOX_KEEP) again, in order. Consumers of the service notice that the
history was replaced, fetch the current state from the service, and then read the new
history. No copy and no effect is duplicated.

rebuild refuses if the history begins with an event that the outbox no longer has, since
later consumers would miss that event; --force overrides it. If rebuild is interrupted,
run it again.`,
		Example: "  quadrille rebuild inventory",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := newRemote(args[0], port)
			if err != nil {
				return err
			}
			defer r.close()
			if r.service.ConsumerOnly {
				return fmt.Errorf("%s publishes no events", r.service.Name)
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
	cmd.Flags().BoolVar(&force, "force", false, "rebuild although the history has events that the outbox no longer has")
	portFlag(cmd, &port)
	return cmd
}

// rebuild makes a running service rebuild its history, and shows progress until the outbox
// is empty. It stops showing when ctx ends; the service continues.
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
			fmt.Fprintf(out, "\n%s continues to publish; only the progress display was stopped.\n", r.service.Name)
			return nil
		case err != nil:
			bar.waiting(err)
		case at.Outbox.Unsent == 0:
			bar.end()
			fmt.Fprintf(out, "%s has published %d events again.\n", r.service.Name, total)
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

// rebuildStopped rebuilds the history of a service that is not running.
func (r *remote) rebuildStopped(ctx context.Context, conn *gorm.DB, b bus.Bus, force bool, out, progress io.Writer) error {
	relay, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: b, Stream: r.service.Name, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	total, err := relay.Rebuild(ctx, force)
	if errors.Is(err, outbox.ErrHistoryHoldsMore) {
		return fmt.Errorf("%w: later consumers would miss them; use --force to rebuild nevertheless", err)
	}
	if err != nil {
		return err
	}
	bar := newProgress(progress, "events", int(total))
	defer bar.end()
	for published := 0; published < int(total); bar.set(published) {
		n, err := relay.RunOnce(ctx)
		if err != nil {
			return fmt.Errorf("published %d of %d events; %s publishes the others when it is started: %w", published, total, r.service.Name, err)
		}
		if published += n; n == 0 {
			break
		}
	}
	bar.end()
	fmt.Fprintf(out, "Published the outbox of %s again: %d events.\n", r.service.Name, total)
	return nil
}
