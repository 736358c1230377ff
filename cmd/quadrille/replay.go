package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"quadrille/internal/platform/ops"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
)

// callTimeout bounds each call of a command. Deleting a long history can take many seconds.
const callTimeout = time.Minute

func newReplay() *cobra.Command {
	var from, since string
	var dryRun bool
	var port int
	cmd := &cobra.Command{
		Use:   "replay SERVICE",
		Short: "Read history again",
		Long: `replay sets a service's position back, so that it reads the history again: all events, or
those since an offset or a time. A running service starts at once, and replay shows its
progress until it has caught up; a stopped service starts the replay when it is started.

A replay is safe: rows are stored by their owner's ID and version, so nothing is
duplicated, and consumers with effects outside the database (mail, webhooks,
notifications) skip the events that they have handled before. Interrupting replay stops
only the display.`,
		Example: "  quadrille replay stats\n  quadrille replay sales --from inventory --since 2026-01-02T00:00:00Z\n  quadrille replay catalog --from inventory --since 12000 --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := newRemote(args[0], port)
			if err != nil {
				return err
			}
			defer r.close()
			return (&replay{remote: r, from: from, since: since, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr()}).run(cmd.Context(), dryRun)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "read this stream only (default: every stream that the service reads)")
	cmd.Flags().StringVar(&since, "since", "", "an offset (needs --from), or a time: 2026-01-02 or 2026-01-02T03:04:05Z")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only count the events that would be read")
	portFlag(cmd, &port)
	return cmd
}

type replay struct {
	*remote
	from, since   string
	out, progress io.Writer
}

func (r *replay) run(ctx context.Context, dryRun bool) error {
	if _, err := strconv.ParseInt(r.since, 10, 64); err == nil && r.from == "" {
		return errors.New("--since with an offset needs --from: each stream has its own offsets")
	}
	online, err := r.running(ctx)
	if err != nil {
		return err
	}
	if !online {
		return r.offline(ctx, func(conn *gorm.DB, b bus.Bus) error { return r.stopped(ctx, conn, b, dryRun) })
	}
	all, err := r.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("list the streams that %s reads: %w", r.service.Name, err)
	}
	var streams []string
	for _, s := range all.Items {
		streams = append(streams, s.Stream)
	}
	if streams, err = r.selected(streams); err != nil {
		return err
	}
	if dryRun {
		return r.withLog(ctx, func(b bus.Bus) error { return r.count(ctx, b, streams) })
	}
	for _, stream := range streams {
		plan, err := r.Replay(ctx, stream, r.since)
		if err != nil {
			return err
		}
		if err := r.watch(ctx, plan); err != nil {
			return err
		}
	}
	return nil
}

// selected returns the stream of --from, or all streams without --from.
func (r *replay) selected(streams []string) ([]string, error) {
	if r.from == "" {
		return streams, nil
	}
	for _, s := range streams {
		if s == r.from {
			return []string{s}, nil
		}
	}
	return nil, fmt.Errorf("%s does not read %q; it reads %v", r.service.Name, r.from, streams)
}

// stopped sets the positions of a service that is not running.
func (r *replay) stopped(ctx context.Context, conn *gorm.DB, b bus.Bus, dryRun bool) error {
	streams, err := consumer.Streams(ctx, conn, r.service.Name)
	if err == nil {
		streams, err = r.selected(streams)
	}
	if err != nil {
		return err
	}
	if dryRun {
		return r.count(ctx, b, streams)
	}
	if len(streams) == 0 {
		fmt.Fprintf(r.out, "%s has not read any events yet; it will begin at the first event.\n", r.service.Name)
	}
	for _, stream := range streams {
		plan, err := ops.PlanReplay(ctx, b, stream, r.since)
		if err != nil {
			return err
		}
		if err := ops.Replay(ctx, conn, r.service.Name, plan); err != nil {
			return err
		}
		fmt.Fprintf(r.out, "%s is not running. It will read %s from offset %d on when it is started.\n", r.service.Name, stream, plan.From)
	}
	return nil
}

// count reads the range of each replay and prints the number of events in it.
func (r *replay) count(ctx context.Context, b bus.Bus, streams []string) error {
	for _, stream := range streams {
		plan, err := ops.PlanReplay(ctx, b, stream, r.since)
		if err != nil {
			return err
		}
		bar := newProgress(r.progress, "offsets of "+stream, int(plan.End-plan.From+1))
		n, err := bus.Count(ctx, b, stream, plan.From, func(offset int64) { bar.set(int(offset - plan.From + 1)) })
		bar.end()
		if err != nil {
			return fmt.Errorf("count events of %s: %w", stream, err)
		}
		fmt.Fprintf(r.out, "%s would read %d events of %s, from offset %d to %d.\n", r.service.Name, n, stream, plan.From, plan.End)
	}
	return nil
}

// watchEvery is the interval at which commands poll a service's progress.
const watchEvery = 200 * time.Millisecond

// watch shows the service's progress until it has caught up with the end of the stream. It
// stops showing when ctx ends; the service continues.
func (r *replay) watch(ctx context.Context, plan ops.Plan) error {
	total := int(plan.End - plan.From + 1)
	bar := newProgress(r.progress, "offsets of "+plan.Stream, total)
	defer bar.end()
	for started := time.Now(); ; {
		at, err := r.reader(ctx, plan.Stream)
		switch {
		case ctx.Err() != nil:
			fmt.Fprintf(r.out, "\n%s continues to read %s; only the progress display was stopped.\n", r.service.Name, plan.Stream)
			return nil
		case err != nil:
			bar.waiting(err)
		case at.Position >= plan.End && at.Lag == 0:
			bar.end()
			fmt.Fprintf(r.out, "%s has read %s again, from offset %d to %d, in %s.\n",
				r.service.Name, plan.Stream, plan.From, at.Position, time.Since(started).Round(time.Millisecond))
			return nil
		default:
			bar.set(int(at.Position - plan.From + 1))
			if at.Error != "" {
				bar.waiting(fmt.Errorf("%s is %s: %s", r.service.Name, at.State, at.Error))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchEvery):
		}
	}
}

// reader returns the progress of the service's reader of stream.
func (r *replay) reader(ctx context.Context, stream string) (ops.Subscription, error) {
	all, err := r.Subscriptions(ctx)
	if err != nil {
		return ops.Subscription{}, err
	}
	for _, s := range all.Items {
		if s.Stream == stream {
			return s, nil
		}
	}
	return ops.Subscription{}, fmt.Errorf("%s no longer reads %s", r.service.Name, stream)
}
