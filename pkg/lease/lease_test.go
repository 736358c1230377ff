package lease_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/lease"
)

// instance runs a lease. works gets a value when work begins; ended is closed when Run
// has returned.
type instance struct {
	*lease.Lease

	works chan struct{}
	stop  context.CancelFunc
	ended chan struct{}
}

// begin starts an instance. at counts the instances that work at the same time.
func begin(t *testing.T, conn *gorm.DB, name string, ttl time.Duration, at *atomic.Int32) *instance {
	t.Helper()
	l, err := lease.New(lease.Config{DB: conn, Name: "reader", Holder: name, TTL: ttl, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	h := &instance{Lease: l, works: make(chan struct{}, 10), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		err := l.Run(ctx, func(ctx context.Context) {
			if at.Add(1) > 1 {
				t.Error("two instances work at the same time")
			}
			h.works <- struct{}{}
			<-ctx.Done()
			at.Add(-1)
		})
		if err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-h.ended })
	return h
}

func (h *instance) worksWithin(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-h.works:
	case <-time.After(d):
		t.Fatalf("did not take over within %s", d)
	}
}

// idle checks that the instance stands by for d.
func (h *instance) idle(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-h.works:
		t.Fatal("works although another instance holds the lease")
	case <-time.After(d):
	}
	if h.Held() {
		t.Error("reports that it holds the lease")
	}
}

func TestStandbyTakesOverAtOnceAfterRelease(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", time.Minute, &at)
	one.worksWithin(t, 10*time.Second)
	two := begin(t, conn, "two", 600*time.Millisecond, &at)
	two.idle(t, time.Second) // longer than two's TTL
	one.stop()
	<-one.ended
	two.worksWithin(t, 2*time.Second) // far less than one's TTL
	if !two.Held() || one.Held() {
		t.Errorf("held: one %t, two %t", one.Held(), two.Held())
	}
}

func TestLeaseOfDeadHolderExpires(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	const silent = "INSERT INTO leases (name, holder, expires_at) VALUES ('reader', 'dead', clock_timestamp() + interval '700 milliseconds')"
	if err := conn.Exec(silent).Error; err != nil {
		t.Fatal(err)
	}
	var at atomic.Int32
	began := time.Now()
	begin(t, conn, "two", time.Second, &at).worksWithin(t, 10*time.Second)
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("took over after %s, before the lease expired", took)
	}
}

func TestHolderStopsWorkWhenLeaseWasTaken(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", 600*time.Millisecond, &at)
	one.worksWithin(t, 10*time.Second)
	// Another instance takes the lease, as if this one had been paused for longer than its TTL.
	const stolen = "UPDATE leases SET holder = 'thief', expires_at = clock_timestamp() + interval '1 minute'"
	if err := conn.Exec(stolen).Error; err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); one.Held() || at.Load() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("works on without the lease")
		}
		time.Sleep(time.Millisecond)
	}
	one.idle(t, 500*time.Millisecond)
}

func TestHolderKeepsLeaseUntilExpiryWhenDatabaseIsUnavailable(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", time.Second, &at)
	one.worksWithin(t, 10*time.Second)
	if err := conn.Exec("ALTER TABLE leases RENAME TO hidden").Error; err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if !one.Held() {
		t.Error("gave up before its time was up")
	}
	for deadline := time.Now().Add(10 * time.Second); one.Held(); {
		if time.Now().After(deadline) {
			t.Fatal("holds the lease although nobody can say so")
		}
		time.Sleep(time.Millisecond)
	}
	if err := conn.Exec("ALTER TABLE hidden RENAME TO leases").Error; err != nil {
		t.Fatal(err)
	}
	one.worksWithin(t, 10*time.Second)
}

// Only one process opens an SQLite file, so it takes the lease of an earlier one at once.
func TestLeaseInFileIsTakenAtOnce(t *testing.T) {
	conn := dbtest.SQLite(t, "lease", dbtest.NoTables())
	if err := conn.Exec("INSERT INTO leases (name, holder, expires_at) VALUES ('reader', 'dead', '2999-01-01 00:00:00')").Error; err != nil {
		t.Fatal(err)
	}
	var at atomic.Int32
	begin(t, conn, "two", time.Second, &at).worksWithin(t, 10*time.Second)
}

func TestOnlyOneOfManyInstancesWorks(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			for range 3 {
				h := begin(t, conn, name, 600*time.Millisecond, &at)
				h.worksWithin(t, 20*time.Second)
				h.stop()
				<-h.ended
			}
		})
	}
	all.Wait()
}
