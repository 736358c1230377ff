package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"quadrille/internal/app"
	"quadrille/internal/opsclient"
)

func newRefused() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "refused",
		Short: "See, retry and discard events that the log refuses",
		Long: `An event that the log refuses for its own sake, because the broker takes no message
of its size for example, is set aside in the outbox of its service, and later events
proceed. refused shows such events and the log's reason, has them published when the
cause is removed, or discards them for a reason, which is kept. It works whether or
not the service runs.`,
	}
	cmd.AddCommand(newRefusedList(), newRefusedShow(), newRefusedRetry(), newRefusedDiscard())
	return cmd
}

// refusedDesk is a service's refused events, whether it runs or not.
type refusedDesk interface {
	RefusedEvents(ctx context.Context, state string, limit int) (opsclient.RefusedPage, error)
	RefusedEvent(ctx context.Context, id int64) (opsclient.RefusedEvent, error)
	RetryRefused(ctx context.Context, id int64) error
	RetryAllRefused(ctx context.Context) (int64, error)
	DiscardRefused(ctx context.Context, id int64, reason string) error
}

// atRefused asks the service, or, where it does not run, its database.
func atRefused(ctx context.Context, service string, port int, work func(refusedDesk) error) error {
	r, err := newRemote(service, port)
	if err != nil {
		return err
	}
	defer r.close()
	online, err := r.running(ctx)
	switch {
	case err != nil:
		return err
	case online:
		return work(r.Client)
	default:
		return r.withDatabase(ctx, func(conn *gorm.DB) error { return work(app.Stopped{DB: conn}) })
	}
}

func addPort(cmd *cobra.Command, port *int) {
	cmd.Flags().IntVar(port, "port", 0, "the gateway's port; the services are on the ones after it (PORT)")
}

func newRefusedList() *cobra.Command {
	var port, limit int
	var state string
	cmd := &cobra.Command{
		Use: "list SERVICE", Short: "List refused events, with the log's reasons", Args: cobra.ExactArgs(1),
		Example: "  quadrille refused list wishlist",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"open", "discarded", "all"}, state) {
				return fmt.Errorf("--state is open, discarded or all, not %q", state)
			}
			if limit < 1 || limit > 500 {
				return errors.New("--limit is 1 to 500")
			}
			return atRefused(cmd.Context(), args[0], port, func(desk refusedDesk) error {
				page, err := desk.RefusedEvents(cmd.Context(), state, limit)
				if err == nil {
					listRefused(page, cmd.OutOrStdout())
				}
				return err
			})
		},
	}
	addPort(cmd, &port)
	cmd.Flags().StringVar(&state, "state", "open", "open, discarded or all")
	cmd.Flags().IntVar(&limit, "limit", 50, "events shown, 1 to 500")
	return cmd
}

func listRefused(page opsclient.RefusedPage, out io.Writer) {
	if page.Total == 0 {
		fmt.Fprintln(out, "No refused events.")
		return
	}
	fmt.Fprintf(out, "%8s  %-10s %-28s %8s  %s\n", "ID", "STATE", "TYPE", "BYTES", "SUBJECT AND ERROR")
	for _, r := range page.Items {
		fmt.Fprintf(out, "%8d  %-10s %-28.200s %8d  %.200s: %s\n", r.ID, r.State, r.Type, r.Size, r.Subject, r.Error)
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
			ids, err := refusedIDs(args[1:])
			if err != nil {
				return err
			}
			return atRefused(cmd.Context(), args[0], port, func(desk refusedDesk) error {
				r, err := desk.RefusedEvent(cmd.Context(), ids[0])
				if err == nil {
					showRefused(r, cmd.OutOrStdout())
				}
				return err
			})
		},
	}
	addPort(cmd, &port)
	return cmd
}

func showRefused(r opsclient.RefusedEvent, out io.Writer) {
	fmt.Fprintf(out, "refused event  %d, %s\n", r.ID, r.State)
	if r.Reason != "" {
		fmt.Fprintf(out, "reason         %s\n", r.Reason)
	}
	fmt.Fprintf(out, "event          %s %s %s\nrouting key    %s\nbytes          %d\nrefused        %s\nerror          %s\n",
		r.EventID, r.Type, r.Subject, r.RoutingKey, r.Size, r.RefusedAt.Format(time.RFC3339), r.Error)
	var pretty bytes.Buffer
	if len(r.Event) > 0 && json.Indent(&pretty, r.Event, "", "  ") == nil {
		fmt.Fprintf(out, "\n%s\n", pretty.String())
	}
}

func refusedIDs(args []string) (ids []int64, err error) {
	for _, a := range args {
		id, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no ID of a refused event; refused list shows them", a)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func newRefusedRetry() *cobra.Command {
	var port int
	var all bool
	cmd := &cobra.Command{
		Use: "retry SERVICE [ID...]", Short: "Publish refused events again", Args: cobra.MinimumNArgs(1),
		Example: "  quadrille refused retry wishlist 17 18\n  quadrille refused retry wishlist --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := refusedIDs(args[1:])
			if err != nil {
				return err
			}
			if all == (len(ids) > 0) {
				return errors.New("say which: either IDs or --all")
			}
			return atRefused(cmd.Context(), args[0], port, func(desk refusedDesk) error {
				if all {
					n, err := desk.RetryAllRefused(cmd.Context())
					fmt.Fprintf(cmd.OutOrStdout(), "%d to be published again.\n", n)
					return err
				}
				return eachRefused(cmd, ids, "to be published again", func(id int64) error { return desk.RetryRefused(cmd.Context(), id) })
			})
		},
	}
	addPort(cmd, &port)
	cmd.Flags().BoolVar(&all, "all", false, "all that are open")
	return cmd
}

func newRefusedDiscard() *cobra.Command {
	var port int
	var reason string
	cmd := &cobra.Command{
		Use: "discard SERVICE ID... --reason TEXT", Short: "Give refused events up, for a reason that is kept", Args: cobra.MinimumNArgs(2),
		Example: "  quadrille refused discard wishlist 17 --reason \"a test wish\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := refusedIDs(args[1:])
			if err != nil {
				return err
			}
			return atRefused(cmd.Context(), args[0], port, func(desk refusedDesk) error {
				return eachRefused(cmd, ids, "discarded", func(id int64) error { return desk.DiscardRefused(cmd.Context(), id, reason) })
			})
		},
	}
	addPort(cmd, &port)
	cmd.Flags().StringVar(&reason, "reason", "", "why they are given up")
	_ = cmd.MarkFlagRequired("reason") // it was just defined
	return cmd
}

// eachRefused does one thing to each event, and reports what became of them; any that
// failed make the exit code.
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
