package timer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/dberr"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
	"quadrille/pkg/timer"
)

const kind = "order_timeout"

// announce is a handler that appends one event for each timer.
func announce(ctx context.Context, tx *gorm.DB, due []timer.Timer) error {
	news := make([]events.Event, len(due))
	for i, t := range due {
		news[i] = events.OrderChanged(events.SalesOrderCancelled, t.Subject, t.Version+1).Stamp(t.Context(ctx))
	}
	return outbox.Append(ctx, tx, news...)
}

func firer(t testing.TB, conn *gorm.DB, handle timer.Handler) *timer.Firer {
	t.Helper()
	f, err := timer.NewFirer(timer.Config{DB: conn, Handlers: map[string]timer.Handler{kind: handle}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func subject(n int) string { return fmt.Sprintf("o%05d", n) }

// setAll sets n timers that are due after a time.
func setAll(t testing.TB, conn *gorm.DB, n int, after time.Duration) {
	t.Helper()
	timers := make([]timer.Timer, n)
	for i := range timers {
		timers[i] = timer.Timer{Kind: kind, Subject: subject(i), Version: 1, After: after}
	}
	in(t, conn, func(tx *gorm.DB) error { return timer.Set(t.Context(), tx, timers...) })
}

func in(t testing.TB, conn *gorm.DB, work func(tx *gorm.DB) error) {
	t.Helper()
	if err := conn.Transaction(work); err != nil {
		t.Fatal(err)
	}
}

// age makes all timers due an hour ago.
func age(t testing.TB, conn *gorm.DB) {
	t.Helper()
	if err := conn.Exec("UPDATE timers SET due_at = ?, retry_at = NULL", time.Now().UTC().Add(-time.Hour)).Error; err != nil {
		t.Fatal(err)
	}
}

func fire(t testing.TB, f *timer.Firer, want int) {
	t.Helper()
	if n, err := f.RunOnce(t.Context()); n != want || err != nil {
		t.Fatalf("fired %d timers, %v; want %d", n, err, want)
	}
}

// said returns the subjects of the events in the outbox, in order.
func said(t testing.TB, conn *gorm.DB) (subjects []string) {
	t.Helper()
	if err := conn.Table(outbox.Table).Order("id").Pluck("subject", &subjects).Error; err != nil {
		t.Fatal(err)
	}
	return subjects
}

func left(t testing.TB, conn *gorm.DB) (n int64) {
	t.Helper()
	if err := conn.Table(timer.Table).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFiresOnceWhenDue(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		f := firer(t, conn, announce)
		setAll(t, conn, 3, time.Hour)
		fire(t, f, 0)
		age(t, conn)
		fire(t, f, 3)
		fire(t, f, 0)
		if got := said(t, conn); fmt.Sprint(got) != "[o00000 o00001 o00002]" || left(t, conn) != 0 {
			t.Errorf("events %v, %d timers left", got, left(t, conn))
		}
	})
}

func TestTimeOfTheDatabaseDecides(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		f := firer(t, conn, announce)
		began := time.Now()
		const after = 1500 * time.Millisecond
		setAll(t, conn, 1, after)
		for n := 0; n == 0; {
			var err error
			if n, err = f.RunOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if late := time.Since(began); n == 0 && late > 30*time.Second {
				t.Fatalf("not fired after %s", late)
			}
		}
		if early := time.Since(began); early < after-100*time.Millisecond {
			t.Errorf("fired after %s, want %s", early, after)
		}
	})
}

// A rolled back transaction sets and cancels nothing; a cancelled timer never fires; one that
// is set again fires at its new time only.
func TestSetAndCancelBelongToTheTransaction(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		f := firer(t, conn, announce)
		setAll(t, conn, 3, 0)
		stop := errors.New("roll back")
		err := conn.Transaction(func(tx *gorm.DB) error {
			return errors.Join(timer.Cancel(t.Context(), tx, kind, subject(0)),
				timer.Set(t.Context(), tx, timer.Timer{Kind: kind, Subject: "never", Version: 1}), stop)
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		in(t, conn, func(tx *gorm.DB) error {
			return errors.Join(timer.Cancel(t.Context(), tx, kind, subject(1), "unknown"), timer.Cancel(t.Context(), tx, "other", subject(0)),
				timer.Cancel(t.Context(), tx, kind), timer.Set(t.Context(), tx),
				timer.Set(t.Context(), tx, timer.Timer{Kind: kind, Subject: subject(2), Version: 7, After: time.Hour}))
		})
		fire(t, f, 1)
		age(t, conn)
		fire(t, f, 1)
		var versions []string
		if err := conn.Table(outbox.Table).Order("id").Pluck("body", &versions).Error; err != nil {
			t.Fatal(err)
		}
		if got := said(t, conn); fmt.Sprint(got) != "[o00000 o00002]" || !strings.Contains(versions[1], `"version":8`) {
			t.Errorf("events %v %v", got, versions)
		}
	})
}

func TestEventsKeepTheTimersCause(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		cause := events.OrderChanged(events.SalesOrderPlaced, "o1", 4).Stamp(t.Context())
		cause.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		in(t, conn, func(tx *gorm.DB) error {
			return timer.Set(events.CausedBy(t.Context(), cause), tx, timer.Since(cause, kind, 0), timer.Timer{Kind: kind, Subject: "o2", Version: 1})
		})
		fire(t, firer(t, conn, announce), 2)
		var bodies []string
		if err := conn.Table(outbox.Table).Order("id").Pluck("body", &bodies).Error; err != nil {
			t.Fatal(err)
		}
		for i, body := range bodies {
			e, err := events.Decode([]byte(body))
			if err != nil || e.CorrelationID != cause.CorrelationID || e.CausationID != cause.ID || e.TraceParent != cause.TraceParent || i == 0 && e.Version != 5 {
				t.Errorf("%+v is not caused by %+v (%v)", e, cause, err)
			}
		}
	})
}

func TestRefusesIncompleteTimers(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		for _, bad := range []timer.Timer{{Subject: "o"}, {Kind: kind}, {Kind: kind, Subject: "o", After: -1}} {
			if err := timer.Set(t.Context(), conn, bad); err == nil {
				t.Errorf("%+v was set", bad)
			}
		}
		if _, _, err := timer.Insert(t.Context(), conn.Name()); err == nil {
			t.Error("no timer gave a statement")
		}
		for _, cfg := range []timer.Config{{}, {DB: conn, Log: slog.Default()}, {DB: conn, Log: slog.Default(), Handlers: map[string]timer.Handler{kind: nil}}} {
			if _, err := timer.NewFirer(cfg); err == nil {
				t.Errorf("%+v was accepted", cfg)
			}
		}
	})
}

// Timers of a kind without a handler wait for a version of the program that has one.
func TestTimersOfOtherKindsStay(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		in(t, conn, func(tx *gorm.DB) error {
			return timer.Set(t.Context(), tx, timer.Timer{Kind: "other", Subject: "o", Version: 1})
		})
		fire(t, firer(t, conn, announce), 0)
		if counts, err := timer.Waiting(t.Context(), conn); err != nil || counts["other"].Waiting != 1 || len(counts) != 1 {
			t.Errorf("waiting are %v, %v", counts, err)
		}
	})
}

// A timer whose handler fails, or panics, does not delay the others, keeps its error, and
// fires once the cause is removed.
func TestFailingTimerDelaysNoOther(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		broken := true
		f := firer(t, conn, func(ctx context.Context, tx *gorm.DB, due []timer.Timer) error {
			if err := announce(ctx, tx, due); err != nil {
				return err
			}
			for _, d := range due {
				switch {
				case broken && d.Subject == subject(7):
					return errors.New("seven is broken")
				case broken && d.Subject == subject(13):
					panic("thirteen")
				}
			}
			return nil
		})
		setAll(t, conn, 20, 0)
		fire(t, f, 18)
		fire(t, f, 0) // the failing ones pause
		n, first, err := timer.Failing(t.Context(), conn, []string{kind})
		if err != nil || n != 2 || first.Attempts != 1 || first.Subject != subject(7) || first.Error != "seven is broken" {
			t.Errorf("%d fail, first %+v, %v", n, first, err)
		}
		age(t, conn)
		fire(t, f, 0)
		if _, first, err = timer.Failing(t.Context(), conn, []string{kind}); err != nil || first.Attempts != 2 {
			t.Errorf("failing %+v, %v", first, err)
		}
		if got := said(t, conn); len(got) != 18 || slices.Contains(got, subject(7)) || slices.Contains(got, subject(13)) {
			t.Errorf("events of %v", got)
		}
		broken = false
		age(t, conn)
		fire(t, f, 2)
		if n, _, err := timer.Failing(t.Context(), conn, []string{kind}); n != 0 || err != nil || left(t, conn) != 0 {
			t.Errorf("%d fail, %v", n, err)
		}
	})
}

// A retry that lies further ahead than any pause was planned before the clock was set back.
func TestRetryDoesNotWaitForAClockThatWasSetBack(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		setAll(t, conn, 2, 0)
		for i, ahead := range []time.Duration{time.Minute, time.Hour} {
			if err := conn.Exec("UPDATE timers SET attempts = 1, retry_at = ? WHERE subject = ?", time.Now().UTC().Add(ahead), subject(i)).Error; err != nil {
				t.Fatal(err)
			}
		}
		fire(t, firer(t, conn, announce), 1)
		if got := said(t, conn); fmt.Sprint(got) != "["+subject(1)+"]" {
			t.Errorf("events of %v", got)
		}
	})
}

// While the database refuses, no timer is blamed.
func TestUnavailableDatabaseIsNoFaultOfATimer(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		away := true
		f := firer(t, conn, func(ctx context.Context, tx *gorm.DB, due []timer.Timer) error {
			if away {
				return fmt.Errorf("write: %w", dberr.ErrUnavailable)
			}
			return announce(ctx, tx, due)
		})
		setAll(t, conn, 5, 0)
		if n, err := f.RunOnce(t.Context()); n != 0 || !errors.Is(err, dberr.ErrUnavailable) {
			t.Errorf("fired %d, %v", n, err)
		}
		if n, _, err := timer.Failing(t.Context(), conn, []string{kind}); n != 0 || err != nil {
			t.Errorf("%d fail, %v", n, err)
		}
		away = false
		fire(t, f, 5)
	})
}

// When an instance has lost its task, FireIn undoes the batch and blames no timer.
func TestLostLeaseIsNoFaultOfATimer(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		lost, calls := errors.New("lost"), 0
		f := firer(t, conn, announce)
		setAll(t, conn, 5, 0)
		n, err := f.FireIn(t.Context(), func(_ context.Context, work func(tx *gorm.DB) error) error {
			calls++
			return conn.Transaction(func(tx *gorm.DB) error { return errors.Join(work(tx), lost) })
		})
		if n != 0 || !errors.Is(err, lost) || calls != 1 || len(said(t, conn)) != 0 {
			t.Errorf("fired %d in %d transactions, %v, events of %v", n, calls, err, said(t, conn))
		}
		if n, _, err := timer.Failing(t.Context(), conn, []string{kind}); n != 0 || err != nil {
			t.Errorf("%d fail, %v", n, err)
		}
		fire(t, f, 5)
	})
}

// A handler may set the timer again that it handles, as a reminder that repeats, and may
// cancel it like any other.
func TestHandlerSetsAndCancelsItsOwnTimer(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		f := firer(t, conn, func(ctx context.Context, tx *gorm.DB, due []timer.Timer) error {
			for _, d := range due {
				again := timer.Timer{Kind: kind, Subject: d.Subject, Version: d.Version + 1, After: time.Hour}
				other := timer.Timer{Kind: "other", Subject: d.Subject, Version: 1, After: time.Hour}
				if err := errors.Join(timer.Set(ctx, tx, again, other), announce(ctx, tx, []timer.Timer{d})); err != nil {
					return err
				}
				if d.Subject == subject(1) {
					if err := timer.Cancel(ctx, tx, kind, d.Subject, "unknown"); err != nil {
						return err
					}
				}
			}
			return nil
		})
		setAll(t, conn, 3, 0)
		fire(t, f, 3)
		counts, err := timer.Waiting(t.Context(), conn)
		if err != nil || counts[kind].Waiting != 2 || counts["other"].Waiting != 3 {
			t.Errorf("waiting are %v, %v", counts, err)
		}
		age(t, conn)
		fire(t, f, 2)
		if got := said(t, conn); fmt.Sprint(got) != "[o00000 o00001 o00002 o00000 o00002]" {
			t.Errorf("events of %v", got)
		}
	})
}

// A handler that changes its timer without its context is told so.
func TestHandlerMustPassItsContext(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		f := firer(t, conn, func(_ context.Context, tx *gorm.DB, due []timer.Timer) error {
			return timer.Set(t.Context(), tx, timer.Timer{Kind: kind, Subject: due[0].Subject, Version: 2, After: time.Hour})
		})
		setAll(t, conn, 1, 0)
		fire(t, f, 0)
		if n, first, err := timer.Failing(t.Context(), conn, []string{kind}); n != 1 || err != nil || !strings.Contains(first.Error, "pass its own context") {
			t.Errorf("%d fail, first %+v, %v", n, first, err)
		}
	})
}

// Four Firers on one database, while others cancel and set timers again: each timer that was
// not cancelled takes effect once.
func TestManyFirersFireOnce(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		const n = 600
		setAll(t, conn, n, 0)
		var working sync.WaitGroup
		for range 4 {
			f, err := timer.NewFirer(timer.Config{DB: conn, Handlers: map[string]timer.Handler{kind: announce}, Batch: 50, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			working.Go(func() {
				for {
					fired, err := f.RunOnce(t.Context())
					if err != nil || fired == 0 && left(t, conn) == 0 {
						if err != nil {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		cancelled := make(map[string]bool)
		working.Go(func() {
			for i := 0; i < n; i += 7 {
				err := conn.Transaction(func(tx *gorm.DB) error {
					res := tx.Exec("DELETE FROM timers WHERE kind = ? AND subject = ?", kind, subject(i)) // Cancel, with the number of rows
					cancelled[subject(i)] = res.RowsAffected == 1
					return res.Error
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		working.Wait()
		seen := map[string]int{}
		for _, s := range said(t, conn) {
			seen[s]++
		}
		for i := range n {
			want := 1
			if cancelled[subject(i)] {
				want = 0
			}
			if seen[subject(i)] != want {
				t.Errorf("timer %d fired %d times, want %d", i, seen[subject(i)], want)
			}
		}
	})
}
