package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/ops"
)

func newRefused() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "refused",
		Short: "Show, retry and discard events that the log refuses",
		Long: `If the log refuses an event because of its content, for example because the broker does
not accept messages of its size, the service parks the event in its outbox and publishes
later events. refused lists parked events with the log's reasons, publishes them again
after the cause has been fixed, or discards them and records the reason. It works whether
or not the service is running.`,
	}
	cmd.AddCommand(newRefusedList(), newRefusedShow(), newRefusedRetry(), newRefusedDiscard())
	return cmd
}

// refusedEvents reads and changes the refused events of a service that is running or
// stopped.
type refusedEvents interface {
	RefusedEvents(ctx context.Context, state string, limit int) (ops.RefusedPage, error)
	RefusedEvent(ctx context.Context, id int64) (ops.RefusedEvent, error)
	RetryRefused(ctx context.Context, id int64) error
	RetryAllRefused(ctx context.Context) (int64, error)
	DiscardRefused(ctx context.Context, id int64, reason string) error
}

// withRefused calls work with the refused events of a service.
func withRefused(ctx context.Context, service string, port int, work func(refusedEvents) error) error {
	r, err := newRemote(service, port)
	if err != nil {
		return err
	}
	defer r.close()
	return r.runningOrStopped(ctx, func(o operations) error { return work(o) })
}

func newRefusedList() *cobra.Command {
	var port, limit int
	var state string
	cmd := &cobra.Command{
		Use: "list SERVICE", Short: "List refused events with the log's reasons", Args: cobra.ExactArgs(1),
		Example: "  quadrille refused list wishlist",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"open", "discarded", "all"}, state) {
				return fmt.Errorf("--state must be open, discarded or all, not %q", state)
			}
			if limit < 1 || limit > 500 {
				return errors.New("--limit must be 1 to 500")
			}
			return withRefused(cmd.Context(), args[0], port, func(events refusedEvents) error {
				page, err := events.RefusedEvents(cmd.Context(), state, limit)
				if err == nil {
					listRefused(page, cmd.OutOrStdout())
				}
				return err
			})
		},
	}
	portFlag(cmd, &port)
	cmd.Flags().StringVar(&state, "state", "open", "open, discarded or all")
	cmd.Flags().IntVar(&limit, "limit", 50, "number of events to show, 1 to 500")
	return cmd
}

func listRefused(page ops.RefusedPage, out io.Writer) {
	if page.Total == 0 {
		fmt.Fprintln(out, "No refused events.")
		return
	}
	fmt.Fprintf(out, "%8s  %-10s %-28s %8s  %s\n", "ID", "STATE", "TYPE", "BYTES", "SUBJECT AND ERROR")
	for _, r := range page.Items {
		fmt.Fprintf(out, "%8d  %-10s %-28.200s %8d  %.200s: %s\n", r.ID, r.State, oneLine(r.Type), r.Size, oneLine(r.Subject), oneLine(r.Error))
	}
	if rest := page.Total - int64(len(page.Items)); rest > 0 {
		fmt.Fprintf(out, "and %d more\n", rest)
	}
}

func newRefusedShow() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use: "show SERVICE ID", Short: "Show a refused event", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseIDs(args[1:], "refused event", "refused list")
			if err != nil {
				return err
			}
			return withRefused(cmd.Context(), args[0], port, func(events refusedEvents) error {
				r, err := events.RefusedEvent(cmd.Context(), ids[0])
				if err == nil {
					showRefused(r, cmd.OutOrStdout())
				}
				return err
			})
		},
	}
	portFlag(cmd, &port)
	return cmd
}

func showRefused(r ops.RefusedEvent, out io.Writer) {
	fmt.Fprintf(out, "refused event  %d, %s\n", r.ID, r.State)
	if r.Reason != "" {
		fmt.Fprintf(out, "reason         %s\n", oneLine(r.Reason))
	}
	fmt.Fprintf(out, "event          %s %s %s\nrouting key    %s\nbytes          %d\nrefused        %s\nerror          %s\n",
		oneLine(r.EventID), oneLine(r.Type), oneLine(r.Subject), oneLine(r.RoutingKey), r.Size, r.RefusedAt.Format(time.RFC3339), oneLine(r.Error))
	if event, ok := indented(r.Event); ok {
		fmt.Fprintf(out, "\n%s\n", event)
	}
}

func newRefusedRetry() *cobra.Command {
	var port int
	var all bool
	cmd := &cobra.Command{
		Use: "retry SERVICE [ID...]", Short: "Publish refused events again", Args: cobra.MinimumNArgs(1),
		Example: "  quadrille refused retry wishlist 17 18\n  quadrille refused retry wishlist --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseIDs(args[1:], "refused event", "refused list")
			if err != nil {
				return err
			}
			if all == (len(ids) > 0) {
				return errors.New("nothing is selected: give either IDs or --all")
			}
			return withRefused(cmd.Context(), args[0], port, func(events refusedEvents) error {
				if all {
					n, err := events.RetryAllRefused(cmd.Context())
					fmt.Fprintf(cmd.OutOrStdout(), "%d to be published again.\n", n)
					return err
				}
				return eachRefused(cmd, ids, "to be published again", func(id int64) error { return events.RetryRefused(cmd.Context(), id) })
			})
		},
	}
	portFlag(cmd, &port)
	cmd.Flags().BoolVar(&all, "all", false, "all that are open")
	return cmd
}

func newRefusedDiscard() *cobra.Command {
	var port int
	var reason string
	cmd := &cobra.Command{
		Use: "discard SERVICE ID... --reason TEXT", Short: "Discard refused events and record the reason", Args: cobra.MinimumNArgs(2),
		Example: "  quadrille refused discard wishlist 17 --reason \"a test wish\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseIDs(args[1:], "refused event", "refused list")
			if err != nil {
				return err
			}
			return withRefused(cmd.Context(), args[0], port, func(events refusedEvents) error {
				return eachRefused(cmd, ids, "discarded", func(id int64) error { return events.DiscardRefused(cmd.Context(), id, reason) })
			})
		},
	}
	portFlag(cmd, &port)
	cmd.Flags().StringVar(&reason, "reason", "", "why they are given up")
	_ = cmd.MarkFlagRequired("reason") // it was just defined
	return cmd
}

// eachRefused applies one action to each event and prints the results. It returns an error if
// any of them failed.
func eachRefused(cmd *cobra.Command, ids []int64, did string, do func(id int64) error) error {
	failed := 0
	for _, id := range ids {
		if err := do(id); err != nil {
			failed++
			fmt.Fprintf(cmd.ErrOrStderr(), "%d: %v\n", id, err)
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d %s, %d failed.\n", len(ids)-failed, did, failed)
	if failed > 0 {
		return errReported
	}
	return nil
}
