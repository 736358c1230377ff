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

// hand is one instance: it tells when it works, and when it has stopped.
type hand struct {
	*lease.Lease

	works chan struct{}
	stop  context.CancelFunc
	ended chan struct{}
}

// begin has an instance try for the lease. at counts those that work at a time.
func begin(t *testing.T, conn *gorm.DB, name string, ttl time.Duration, at *atomic.Int32) *hand {
	t.Helper()
	l, err := lease.New(lease.Config{DB: conn, Name: "reader", Holder: name, TTL: ttl, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	h := &hand{Lease: l, works: make(chan struct{}, 10), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		err := l.Run(ctx, func(ctx context.Context) {
			if at.Add(1) > 1 {
				t.Error("two work at a time")
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

func (h *hand) worksWithin(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-h.works:
	case <-time.After(d):
		t.Fatalf("did not take over within %s", d)
	}
}

// idle checks that the instance stands by for as long as d.
func (h *hand) idle(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-h.works:
		t.Fatal("works although another one holds the lease")
	case <-time.After(d):
	}
	if h.Held() {
		t.Error("says that it holds the lease")
	}
}

func TestOneAtATimeAndAtOnceAfterACleanStop(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", time.Minute, &at)
	one.worksWithin(t, 10*time.Second)
	two := begin(t, conn, "two", 600*time.Millisecond, &at)
	two.idle(t, time.Second) // more than its own time to live
	one.stop()
	<-one.ended
	two.worksWithin(t, 2*time.Second) // far less than the first one's minute
	if !two.Held() || one.Held() {
		t.Errorf("held: one %t, two %t", one.Held(), two.Held())
	}
}

// A holder that is gone without a word has lost the lease when its time is up.
func TestSilentHolderIsReplaced(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	const silent = "INSERT INTO leases (name, holder, expires_at) VALUES ('reader', 'dead', clock_timestamp() + interval '700 milliseconds')"
	if err := conn.Exec(silent).Error; err != nil {
		t.Fatal(err)
	}
	var at atomic.Int32
	began := time.Now()
	begin(t, conn, "two", time.Second, &at).worksWithin(t, 10*time.Second)
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("took over after %s, before the lease ran out", took)
	}
}

// A holder whose lease was taken stops working, and stands by.
func TestHolderNoticesThatItLost(t *testing.T) {
	conn := dbtest.Postgres(t, "lease", dbtest.NoTables())
	var at atomic.Int32
	one := begin(t, conn, "one", 600*time.Millisecond, &at)
	one.worksWithin(t, 10*time.Second)
	// As after it was stopped for longer than the lease: another has it now.
	const stolen = "UPDATE leases SET holder = 'thief', expires_at = clock_timestamp() + interval '1 minute'"
	if err := conn.Exec(stolen).Error; err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); one.Held() || at.Load() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("goes on without the lease")
		}
		time.Sleep(time.Millisecond)
	}
	one.idle(t, 500*time.Millisecond)
}

// A database that does not answer costs the lease when the time is up, not before.
func TestDatabaseAway(t *testing.T) {
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

// An SQLite file has one process: whoever opened it is the only one, whatever the
// one before it left.
func TestFileIsTakenAtOnce(t *testing.T) {
	conn := dbtest.SQLite(t, "lease", dbtest.NoTables())
	if err := conn.Exec("INSERT INTO leases (name, holder, expires_at) VALUES ('reader', 'dead', '2999-01-01 00:00:00')").Error; err != nil {
		t.Fatal(err)
	}
	var at atomic.Int32
	begin(t, conn, "two", time.Second, &at).worksWithin(t, 10*time.Second)
}

// However many want it, and come and go, one works at a time.
func TestManyWantIt(t *testing.T) {
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
