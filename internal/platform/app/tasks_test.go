package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/ready"
	"quadrille/pkg/task"
)

// post sends an empty request and returns status and body.
func (g *rig) post(t *testing.T, path string) (int, string) {
	t.Helper()
	answer, err := http.Post(g.address+path, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// task waits until a task of the service is as described, and returns it.
func (g *rig) task(t *testing.T, name, what string, is func(ops.Task) bool) ops.Task {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var said ops.Tasks
		g.ask(t, "/tasks", &said)
		for _, found := range said.Items {
			if found.Name == name && is(found) {
				return found
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute still not: %s %s: %+v", name, what, said.Items)
		}
	}
}

// The endpoints, metrics and the readiness check show tasks and what becomes of them.
func TestTasksAreShownAndRun(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		works, goOn := make(chan struct{}, 1), make(chan error)
		cfg.DeadKeep = Period(time.Hour)
		g := beginWith(t, cfg, Components{Tasks: []task.Task{{
			Name: "count", Schedule: task.Every(1000 * time.Hour),
			Do: func(context.Context, *task.Run) error { works <- struct{}{}; return <-goOn },
		}}})
		before := g.task(t, "count", "is listed", func(ops.Task) bool { return true })
		if before.Schedule != "every 1000h" || before.Last != nil || before.Running || time.Until(before.Next) < 999*time.Hour {
			t.Errorf("before its first run: %+v", before)
		}
		g.task(t, PruneDeadLetters, "is listed", func(ops.Task) bool { return true })
		if status, body := g.post(t, "/tasks/nothing/run"); status != http.StatusNotFound || !strings.Contains(body, "task_unknown") {
			t.Errorf("a task that does not exist: %d %s", status, body)
		}
		for n := range int64(task.TroubleAfter) {
			if status, body := g.post(t, "/tasks/count/run"); status != http.StatusAccepted || !strings.Contains(body, `"name":"count"`) {
				t.Fatalf("run: %d %s", status, body)
			}
			<-works
			if now := g.task(t, "count", "runs", func(r ops.Task) bool { return r.Running }); now.Owner != g.holder || now.Token != n+1 {
				t.Errorf("while it runs: %+v", now)
			}
			if status, body := g.post(t, "/tasks/count/run"); status != http.StatusConflict || !strings.Contains(body, "task_running") || !strings.Contains(body, g.holder) {
				t.Errorf("run while it runs: %d %s", status, body)
			}
			goOn <- errors.New("two and two are five") //nolint:err113 // any error
			after := g.task(t, "count", "has run", func(r ops.Task) bool { return r.Runs == n+1 })
			if after.Outcome != task.Failed || after.Error != "two and two are five" || after.Last == nil || after.Duration <= 0 || after.Owner != "" {
				t.Errorf("after its run: %+v", after)
			}
		}
		g.task(t, "count", "says why it needs a person", func(r ops.Task) bool { return strings.Contains(r.Trouble, "two and two are five") })
		g.until(t, "warns of the task", func(status int, checks map[string]ready.Result) bool {
			c := checks["tasks"]
			return status == http.StatusOK && c.State == ready.Warning && strings.Contains(c.Detail, "two and two are five") && strings.Contains(c.Remedy, "tasks list sales")
		})
		answer, err := http.Get(g.address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		metrics, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`quadrille_task_runs_total{outcome="failed",task="count"} 3`, `quadrille_task_failures{task="count"} 3`, `quadrille_task_running{task="count"} 0`} {
			if !strings.Contains(string(metrics), want) {
				t.Errorf("/metrics lacks %s", want)
			}
		}
	})
}

// The validator accepts a number that does not fit into 64 bits; the response is not 500.
func TestDeadLettersRefuseHugeNumbers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		g := beginWith(t, cfg, Components{})
		g.becomesReady(t)
		for _, action := range []string{"retry", "discard"} {
			answer, err := http.Post(g.address+"/dead-letters/"+action, "application/json", strings.NewReader(`{"reason":"x","after":9223372036854775808}`))
			if err != nil {
				t.Fatal(err)
			}
			if answer.Body.Close() != nil || answer.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: status %d, want 400", action, answer.StatusCode)
			}
		}
	})
}
