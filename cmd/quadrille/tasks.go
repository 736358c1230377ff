package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/services"
)

func newTasks() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tasks",
		Short: "Show and run the periodic tasks of the services",
		Long: `Each service has periodic tasks, such as deleting old rows. One of its instances runs each
of them. tasks lists them with their schedules and the outcomes of their last runs, and runs
a task now. For run the service must be running; list of one service also reads the database
of a stopped service.`,
	}
	cmd.AddCommand(newTasksList(), newTasksRun())
	return cmd
}

func newTasksList() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use: "list [SERVICE]", Short: "List the tasks of a service, or of all", Args: cobra.MaximumNArgs(1),
		Example: "  quadrille tasks list\n  quadrille tasks list sales",
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%-10s %-24s %-28s %-20s %-20s %-10s %9s  %s\n", "SERVICE", "TASK", "SCHEDULE", "LAST", "NEXT", "OUTCOME", "SECONDS", "OWNER OR ERROR")
			if len(args) == 1 {
				return listTasks(cmd.Context(), args[0], port, true, out)
			}
			for _, name := range append([]string{app.Gateway}, services.Names()...) {
				if err := listTasks(cmd.Context(), name, port, false, out); err != nil {
					fmt.Fprintf(out, "%-10s %v\n", name, err)
				}
			}
			return nil
		},
	}
	portFlag(cmd, &port)
	return cmd
}

// listTasks prints the tasks of a service. If the service is stopped, it reads the database or
// says so.
func listTasks(ctx context.Context, name string, port int, stopped bool, out io.Writer) error {
	r, err := newRemote(name, port)
	if err != nil {
		return err
	}
	defer r.close()
	online, err := r.running(ctx)
	var tasks ops.Tasks
	switch {
	case err != nil:
		return err
	case online:
		tasks, err = r.Tasks(ctx)
	case stopped:
		err = r.withDatabase(ctx, func(conn *gorm.DB) (err error) {
			tasks, err = ops.Stopped{DB: conn}.Tasks(ctx)
			return err
		})
	default:
		err = errors.New("is not running")
	}
	if err != nil {
		return err
	}
	for _, t := range tasks.Items {
		fmt.Fprintf(out, "%-10s %-24s %-28s %-20s %-20s %-10s %9.3f  %s\n", name, t.Name, t.Schedule, when(t.Last), when(&t.Next), orDash(t.Outcome), t.Duration, oneLine(remark(t)))
	}
	return nil
}

func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// remark says who runs a task, that it was requested, why its last run did not succeed, or what
// that found.
func remark(t ops.Task) string {
	switch {
	case t.Running:
		return "running in " + t.Owner + " since " + when(t.Started)
	case t.Requested != nil:
		return "requested at " + when(t.Requested)
	case t.Error != "":
		return t.Error
	default:
		return t.Found
	}
}

func newTasksRun() *cobra.Command {
	var port int
	var wait bool
	cmd := &cobra.Command{
		Use: "run SERVICE TASK", Short: "Run a task now", Args: cobra.ExactArgs(2),
		Example: "  quadrille tasks run sales prune_outbox --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := newRemote(args[0], port)
			if err != nil {
				return err
			}
			defer r.close()
			if err := r.mustRun(cmd.Context()); err != nil {
				return err
			}
			before, err := r.RunTask(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			if !wait {
				fmt.Fprintf(cmd.OutOrStdout(), "Requested. quadrille tasks list %s shows the outcome.\n", args[0])
				return nil
			}
			after, err := ranTask(cmd.Context(), r.Client, before)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s in %.3f s.\n", after.Name, after.Outcome, after.Duration)
			if after.Found != "" {
				fmt.Fprintln(cmd.OutOrStdout(), after.Found)
			}
			if after.Outcome != "succeeded" {
				return fmt.Errorf("%s: %s", after.Name, after.Error)
			}
			return nil
		},
	}
	portFlag(cmd, &port)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the run has ended; exit with 1 unless it succeeded")
	return cmd
}

// ranTask waits until the run that was requested has ended, and returns the task.
func ranTask(ctx context.Context, c *ops.Client, before ops.Task) (ops.Task, error) {
	const poll = 200 * time.Millisecond
	for {
		tasks, err := c.Tasks(ctx)
		if err != nil {
			return ops.Task{}, err
		}
		for _, t := range tasks.Items {
			if t.Name == before.Name && t.Runs > before.Runs {
				return t, nil
			}
		}
		select {
		case <-ctx.Done():
			return ops.Task{}, fmt.Errorf("the run has not ended: %w", ctx.Err())
		case <-time.After(poll):
		}
	}
}
