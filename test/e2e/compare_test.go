package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/test/harness"
)

// Somebody damages the copies of running services. The audit sees it, the comparison says so
// and repairs it, and the audit agrees again.
func TestComparisonRepairsCopies(t *testing.T) {
	for name, parts := range map[string]func(testing.TB) app.Config{"embedded": harness.Embedded, "real": harness.Real} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parts(t)
			cfg.CompareAt = "03:00"
			s := harness.Start(t, cfg)
			offer(t, s, "A1", "2.55")
			receive(t, s, "r1", "A1", 10)
			for _, customer := range []string{"ann", "bob", "eve"} {
				becomes(t, s, place(t, s, orderOf(customer, "A1×2")).Id, "confirmed")
			}
			agree(t, s)
			if got := ranTask(t, ops.New(s.URL("inventory"), s.HTTP), app.CompareCopies); got.Found != "sales: 3 compared, 0 missing, 0 outdated, 0 repaired" {
				t.Errorf("inventory: %+v, want no difference", got)
			}
			for service, damage := range map[string][]string{
				"stats":    {"DELETE FROM order_lines", "DELETE FROM orders"},
				"sales":    {"UPDATE prices SET version = 0, title = 'spoiled'"},
				"catalog":  {"DELETE FROM stock"},
				"wishlist": {"UPDATE stock SET version = 1, quantity = 77"},
			} {
				for _, statement := range damage {
					if _, err := vault(t, cfg, service).ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", service, err)
					}
				}
			}
			if found(t, s) == "" {
				t.Fatal("the audit does not see the damage")
			}
			for _, c := range []struct{ service, want string }{
				{"stats", "sales: 3 compared, 3 missing, 0 outdated, 3 repaired"},
				{"sales", "catalog: 1 compared, 0 missing, 1 outdated, 1 repaired"},
				{"wishlist", "0 missing, 1 outdated, 1 repaired"},
				{"catalog", "1 missing, 0 outdated, 1 repaired"}, // last: its repair is an event for sales
			} {
				if got := ranTask(t, ops.New(s.URL(c.service), s.HTTP), app.CompareCopies); got.Outcome != "succeeded" || !strings.Contains(got.Found, c.want) {
					t.Errorf("%s: %+v, want %s", c.service, got, c.want)
				}
			}
			agree(t, s)
		})
	}
}

// ranTask runs a task and returns it when the run has ended.
func ranTask(t *testing.T, c *ops.Client, name string) ops.Task {
	t.Helper()
	before, err := c.RunTask(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		list, err := c.Tasks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list.Items, func(one ops.Task) bool { return one.Name == name })
		if now := list.Items[i]; now.Runs > before.Runs && !now.Running {
			return now
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not end: %+v", name, list.Items[i])
		}
	}
}
