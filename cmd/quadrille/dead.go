package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/ops"
	"quadrille/pkg/deadletter"
)

func newDead() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Show, retry and discard events that a service could not handle",
		Long: `A service stores an event that it could not handle as a dead letter and continues with
later events. It retries the letter by itself (state parked). After five attempts the
letter waits for a person (state open), as does a message that is no event. A consumer in
order lets later events of the subject wait behind the letter, untried (state behind).

dead lists dead letters with their errors, retries them after the cause has been fixed, or
discards them and records the reason. The service then handles the events behind them in
order, up to the next failure. A letter that a newer version of its subject has made
needless is closed by itself (state overtaken). For retry and discard the service must be
running; list and show also read the database of a stopped service.`,
	}
	cmd.AddCommand(newDeadList(), newDeadShow(), newDeadRetry(), newDeadDiscard())
	return cmd
}

// deadFlags has the flags that select letters.
type deadFlags struct {
	filter ops.DeadFilter
	all    bool
	port   int
}

func (f *deadFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.filter.Type, "type", "", "only events of this type")
	cmd.Flags().StringVar(&f.filter.Error, "error", "", "only letters with this text in the error, or with this cause")
	cmd.Flags().StringVar(&f.filter.Stream, "stream", "", "only events of this stream")
	portFlag(cmd, &f.port)
}

// picked returns the IDs in args, or none if the flags select a group or --all. It returns an
// error if neither is given, so that nobody selects all letters by accident.
func (f *deadFlags) picked(args []string) (ids []int64, err error) {
	group := f.all || f.filter != (ops.DeadFilter{})
	switch {
	case len(args) > 0 && group:
		return nil, errors.New("give either IDs or flags that select a group, not both")
	case len(args) == 0 && !group:
		return nil, errors.New("nothing is selected: give IDs, --type, --error, --stream, or --all")
	}
	return parseIDs(args, "dead letter", "dead list")
}

func newDeadList() *cobra.Command {
	var f deadFlags
	var limit int
	cmd := &cobra.Command{
		Use: "list SERVICE", Short: "List dead letters and count them by type and cause", Args: cobra.ExactArgs(1),
		Example: "  quadrille dead list sales\n  quadrille dead list sales --type inventory.order_allocated --error 422\n  quadrille dead list sales --state discarded",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := newRemote(args[0], f.port)
			if err != nil {
				return err
			}
			defer r.close()
			return r.runningOrStopped(cmd.Context(), func(letters operations) error {
				return listDead(cmd.Context(), letters, f.filter, limit, cmd.OutOrStdout())
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.filter.State, "state", "open", strings.Join(deadletter.States(), ", ")+" or all")
	cmd.Flags().IntVar(&limit, "limit", 50, "number of letters to show, 1 to 500")
	return cmd
}

// deadReader reads the dead letters of a service that is running or stopped.
type deadReader interface {
	DeadLetters(ctx context.Context, f ops.DeadFilter, limit int, after *string) (ops.DeadPage, error)
	DeadLetter(ctx context.Context, id int64) (ops.DeadLetter, error)
}

func listDead(ctx context.Context, c deadReader, f ops.DeadFilter, limit int, out io.Writer) error {
	page, err := c.DeadLetters(ctx, f, limit, nil)
	if err != nil {
		return err
	}
	if page.Total == 0 {
		fmt.Fprintln(out, "No dead letters.")
		return nil
	}
	fmt.Fprintf(out, "%8s  %-10s %-28s %s\n", "ID", "STATE", "TYPE", "SUBJECT AND ERROR")
	for _, l := range page.Items {
		kind := l.Type
		if kind == "" {
			kind = "(no event)"
		}
		fmt.Fprintf(out, "%8d  %-10s %-28s %s: %s\n", l.ID, l.State, oneLine(kind), oneLine(l.Subject), oneLine(inSequence(l)))
	}
	if rest := page.Total - int64(len(page.Items)); rest > 0 {
		fmt.Fprintf(out, "and %d more\n", rest)
	}
	fmt.Fprintf(out, "\n%8s  %-28s %s\n", "COUNT", "TYPE", "CAUSE")
	for _, g := range page.Groups {
		fmt.Fprintf(out, "%8d  %-28s %s\n", g.Count, oneLine(g.Type), oneLine(g.Cause))
	}
	return nil
}

// inSequence returns a letter's error, and its place among the letters of its subject.
func inSequence(l ops.DeadLetter) string {
	switch {
	case l.Head != 0:
		return fmt.Sprintf("waits for %d", l.Head)
	case l.Behind > 0:
		return fmt.Sprintf("%s (%d behind it)", l.Error, l.Behind)
	default:
		return l.Error
	}
}

func newDeadShow() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use: "show SERVICE ID", Short: "Show a dead letter with its event", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := newRemote(args[0], port)
			if err != nil {
				return err
			}
			defer r.close()
			ids, err := (&deadFlags{}).picked(args[1:])
			if err != nil {
				return err
			}
			return r.runningOrStopped(cmd.Context(), func(letters operations) error {
				l, err := letters.DeadLetter(cmd.Context(), ids[0])
				if err != nil {
					return err
				}
				showDead(l, cmd.OutOrStdout())
				return nil
			})
		},
	}
	portFlag(cmd, &port)
	return cmd
}

func showDead(l ops.DeadLetter, out io.Writer) {
	fmt.Fprintf(out, "dead letter  %d, %s\n", l.ID, l.State)
	if l.Reason != "" {
		fmt.Fprintf(out, "reason       %s\n", oneLine(l.Reason))
	}
	if l.NextAt != nil {
		fmt.Fprintf(out, "next attempt %s\n", l.NextAt.Format(time.RFC3339))
	}
	if l.Head != 0 {
		fmt.Fprintf(out, "waits for    %d\n", l.Head)
	}
	if l.Behind > 0 {
		fmt.Fprintf(out, "behind it    %d events of %s\n", l.Behind, oneLine(l.Subject))
	}
	if l.ClosedAt != nil {
		fmt.Fprintf(out, "closed       %s\n", l.ClosedAt.Format(time.RFC3339))
	}
	fmt.Fprintf(out, "from         %s at offset %d\nevent        %s %s %s\n", l.Stream, l.Position, oneLine(l.EventID), oneLine(l.Type), oneLine(l.Subject))
	fmt.Fprintf(out, "attempts     %d, from %s to %s\nerror        %s\n\n", l.Attempts, l.FirstAt.Format(time.RFC3339), l.LastAt.Format(time.RFC3339), oneLine(l.Error))
	if event, ok := indented(l.Event); ok {
		fmt.Fprintln(out, event)
		return
	}
	fmt.Fprintf(out, "%q\n", l.Body)
}

func newDeadRetry() *cobra.Command {
	var f deadFlags
	cmd := &cobra.Command{
		Use: "retry SERVICE [ID...]", Short: "Handle the events of dead letters again", Args: cobra.MinimumNArgs(1),
		Example: "  quadrille dead retry sales 17 18\n  quadrille dead retry sales --type inventory.order_allocated\n  quadrille dead retry sales --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			return closeDead(cmd, args, &f, "handled",
				func(ctx context.Context, c *ops.Client, id int64) error { _, err := c.Retry(ctx, id); return err },
				func(ctx context.Context, c *ops.Client, told func(ops.GroupResult)) error {
					return c.RetryGroup(ctx, f.filter, told)
				})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "all that are open")
	return cmd
}

func newDeadDiscard() *cobra.Command {
	var f deadFlags
	var reason string
	cmd := &cobra.Command{
		Use: "discard SERVICE [ID...] --reason TEXT", Short: "Discard dead letters and record the reason", Args: cobra.MinimumNArgs(1),
		Example: "  quadrille dead discard sales 17 --reason \"a test order of last week\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return closeDead(cmd, args, &f, "discarded",
				func(ctx context.Context, c *ops.Client, id int64) error {
					_, err := c.Discard(ctx, id, reason)
					return err
				},
				func(ctx context.Context, c *ops.Client, told func(ops.GroupResult)) error {
					return c.DiscardGroup(ctx, f.filter, reason, told)
				})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "all that are open")
	cmd.Flags().StringVar(&reason, "reason", "", "why they are given up")
	_ = cmd.MarkFlagRequired("reason") // it was just defined
	return cmd
}

// closeDead applies one action to the given letters, or to a group, and prints the results.
// It returns an error if any of them failed.
func closeDead(cmd *cobra.Command, args []string, f *deadFlags, did string,
	one func(context.Context, *ops.Client, int64) error, group func(context.Context, *ops.Client, func(ops.GroupResult)) error,
) error {
	ids, err := f.picked(args[1:])
	if err != nil {
		return err
	}
	r, err := newRemote(args[0], f.port)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.mustRun(cmd.Context()); err != nil {
		return err
	}
	var done, failed int64
	for _, id := range ids {
		if err := one(cmd.Context(), r.Client, id); err != nil {
			failed++
			fmt.Fprintf(cmd.ErrOrStderr(), "%d: %s\n", id, explained(err))
			continue
		}
		done++
	}
	if len(ids) == 0 {
		err = group(cmd.Context(), r.Client, func(g ops.GroupResult) { done, failed = done+g.Done, failed+g.Failed })
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d %s, %d failed.\n", done, did, failed)
	if err == nil && failed > 0 {
		return errReported
	}
	return err
}
