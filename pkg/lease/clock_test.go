package lease_test

import (
	"sync/atomic"
	"testing"
	"time"

	"quadrille/internal/platform/db/dbtest"
)

// After the database's clock was set back, the lease of a dead holder expires far in the
// future. A standby takes it within twice its time to live.
func TestDeadHolderIsReplacedAfterClockStepsBack(t *testing.T) {
	for name, expires := range map[string]string{
		"in an hour":     "clock_timestamp() + interval '1 hour'",
		"in ten seconds": "clock_timestamp() + interval '10 seconds'",
		"in a century":   "clock_timestamp() + interval '100 years'",
		"never":          "'infinity'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
			if err := conn.Exec("INSERT INTO leases (name, holder, expires_at) VALUES ('reader', 'dead', " + expires + ")").Error; err != nil {
				t.Fatal(err)
			}
			var at atomic.Int32
			began := time.Now()
			two := begin(t, conn, "two", time.Second, &at)
			waitFor(t, "reports the expiry in the future", func() bool {
				s := two.Status()
				return s.Holder == "dead" && s.Err != "" && !s.Since.IsZero() || s.Held
			})
			two.worksWithin(t, 8*time.Second)
			if took := time.Since(began); took < time.Second {
				t.Errorf("took over after %s, before a live holder would have renewed", took)
			}
			if s := two.Status(); !s.Held || s.Holder != "two" || s.Err != "" {
				t.Errorf("status is %+v", s)
			}
		})
	}
}

// A live holder keeps its lease when the clock is set back: it renews it by the new time.
func TestLiveHolderKeepsLeaseAfterClockStepsBack(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", time.Second, &at)
	one.worksWithin(t, 10*time.Second)
	two := begin(t, conn, "two", time.Second, &at)
	for range 5 {
		const step = "UPDATE leases SET expires_at = clock_timestamp() + interval '1 hour' WHERE holder = 'one'"
		if err := conn.Exec(step).Error; err != nil {
			t.Fatal(err)
		}
		two.idle(t, time.Second)
	}
	if s := two.Status(); s.Holder != "one" {
		t.Errorf("status of the standby is %+v, want holder one", s)
	}
}

func TestStatusHasHolderOrReason(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", time.Second, &at)
	one.worksWithin(t, 10*time.Second)
	two := begin(t, conn, "two", time.Second, &at)
	waitFor(t, "two knows the holder", func() bool { s := two.Status(); return s.Holder == "one" && s.Err == "" && !s.Held })
	if err := conn.Exec("ALTER TABLE leases RENAME TO hidden").Error; err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both report why the lease cannot be acquired", func() bool {
		a, b := one.Status(), two.Status()
		return !a.Held && a.Err != "" && b.Err != "" && !b.Since.IsZero()
	})
	if err := conn.Exec("ALTER TABLE hidden RENAME TO leases").Error; err != nil {
		t.Fatal(err)
	}
	waitFor(t, "one holds it and the other knows", func() bool {
		a, b := one.Status(), two.Status()
		return a.Held != b.Held && a.Err == "" && b.Err == "" && a.Holder == b.Holder
	})
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for: %s", what)
		}
	}
}
