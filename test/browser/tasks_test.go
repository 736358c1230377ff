package browser_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/pkg/consumer"
	"quadrille/pkg/task"
)

// startCounting starts a service in place of stats with a task that waits for an outcome, and
// returns its URL.
func startCounting(t *testing.T, outcomes <-chan error) string {
	t.Helper()
	count := func(ctx context.Context, _ *task.Run) error {
		select {
		case err := <-outcomes:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return replaceStats(t, func(d app.Deps) (app.Components, error) {
		report, err := task.Daily("03:30", time.UTC)
		if err != nil {
			return app.Components{}, err
		}
		orders, err := consumer.NewConverging(d.Consumer("stats", "sales", nil), &orderly{})
		return app.Components{Consumers: []*consumer.Consumer{orders}, Tasks: []task.Task{
			{Name: "count_orders", Schedule: task.Every(1000 * time.Hour), Do: count},
			{Name: "daily_report", Schedule: report, Do: func(context.Context, *task.Run) error { return nil }},
		}}, err
	})
}

// TestTasksAreShownAndRun runs a task that fails and then succeeds.
func TestTasksAreShownAndRun(t *testing.T) {
	t.Parallel()
	outcomes := make(chan error)
	s := upWith(t, []string{"STATS_URL=" + startCounting(t, outcomes)})
	b := open(t, s.base(), "/operations")
	b.signIn("stella")
	b.press(".subnav a", "Tasks")
	b.sees("all of them run as planned", "Every 1,000 hours", "Daily at 03:30 (UTC)", "Every hour")
	b.missesNow("Needs attention")
	b.press("button", "Run now: count_orders of stats")
	b.sees("Running since ")
	b.tabbed("Running…: count_orders of stats")
	outcomes <- errors.New("two and two are five") //nolint:err113 // any error
	b.sees("The run failed after ", "Two and two are five.", "It has never succeeded.", "needs attention.")
	b.until(`document.querySelector("section[aria-labelledby=tasks-of-stats]").innerText.includes("count_orders")`) // where it was run
	b.tabbed("Run now: count_orders of stats")
	b.visit("/operations/tasks")
	b.until(`document.querySelector("section[aria-labelledby=attention] h3").innerText.includes("count_orders")`)
	b.seen("tasks-failing")
	b.press("button", "Run now: count_orders of stats")
	outcomes <- nil
	b.sees("The run succeeded after ", "all of them run as planned")
	b.tabbed("Run now: count_orders of stats")
	b.press("button", "Run now: prune_dead_letters of catalog")
	b.until(`[...document.querySelectorAll("section[aria-labelledby=tasks-of-catalog] li")].some((row) => row.innerText.includes("prune_dead_letters") && row.innerText.includes("The run succeeded"))`)
}

// TestTasksThatCannotBeShown stops a service. The page names it and shows the tasks of the
// others.
func TestTasksThatCannotBeShown(t *testing.T) {
	t.Parallel()
	s := upWith(t, []string{"STATS_URL=http://127.0.0.1:1"})
	b := open(t, s.base(), "/")
	b.signIn("stella")
	b.visit("/operations/tasks")
	b.sees("stats is unavailable.", "prune_dead_letters")
	b.until(`!document.querySelector("section[aria-labelledby=tasks-of-stats]") && document.querySelector("section[aria-labelledby=tasks-of-sales]")`)
}
