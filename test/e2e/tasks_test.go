package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness/identity"
)

// The command lists the tasks of running and stopped services, and runs one.
func TestTasksCommand(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, m *machine, _ app.Config) {
		m.Env = append(append(m.Env, identity.Env()...), "INTERNAL_TOKEN=inner")
		up := m.Start(nil, "up")
		everybody := slices.Concat(services.Names(), []string{app.Gateway})
		m.readyAre(everybody...)
		list := m.must("tasks", "list")
		for _, service := range everybody {
			if !strings.Contains(list, "\n"+service+" ") {
				t.Errorf("tasks list lacks %s:\n%s", service, list)
			}
		}
		for service, name := range map[string]string{"sales": "prune_outbox", "inventory": "prune_imports", app.Gateway: "prune_audits"} {
			if out := m.must("tasks", "run", service, name, "--wait"); !strings.Contains(out, name+" succeeded in ") {
				t.Errorf("tasks run %s %s prints %q", service, name, out)
			}
		}
		if out, err := m.Run("tasks", "run", "sales", "nothing"); err == nil || !strings.Contains(out, "task_unknown") {
			t.Errorf("a task that does not exist: %v, %q", err, out)
		}
		m.stop(up)
		if out := m.must("tasks", "list", "sales"); !strings.Contains(out, "prune_outbox") || !strings.Contains(out, "succeeded") {
			t.Errorf("the tasks of a stopped service are\n%s", out)
		}
		if out, err := m.Run("tasks", "run", "sales", "prune_outbox"); err == nil || !strings.Contains(out, "is not running") {
			t.Errorf("a task of a stopped service: %v, %q", err, out)
		}
	})
}
