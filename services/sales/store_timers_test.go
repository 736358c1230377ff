package sales

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/events"
	"quadrille/pkg/timer"
	"quadrille/services/sales/api"
)

func firer(t testing.TB, s *Service) *timer.Firer {
	t.Helper()
	f, err := timer.NewFirer(timer.Config{DB: s.store.db, Handlers: s.store.timerHandlers(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// elapse makes all timers of a kind due and fires them. It returns their number.
func elapse(t testing.TB, s *Service, kind string) int {
	t.Helper()
	if err := s.store.db.Exec("UPDATE timers SET due_at = ? WHERE kind = ?", db.Now().Add(-time.Second), kind).Error; err != nil {
		t.Fatal(err)
	}
	n, err := firer(t, s).RunOnce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// timers returns the timers as text, sorted.
func timers(t testing.TB, s *Service) (all []string) {
	t.Helper()
	if err := s.store.db.Table(timer.Table).Order("kind, subject").Pluck("kind || ' ' || subject", &all).Error; err != nil {
		t.Fatal(err)
	}
	return all
}

func order(t testing.TB, s *Service, id string) Order {
	t.Helper()
	o, err := s.Order(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func confirm(t *testing.T, s *Service, id string) {
	t.Helper()
	if err := settle(t, s, Allocation{OrderID: id, Status: "allocated"}); err != nil {
		t.Fatal(err)
	}
}

func TestPlacedOrderTimesOut(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		o := place(t, s, one("A"))
		var due time.Time
		if err := s.store.db.Raw("SELECT due_at FROM timers").Row().Scan(&due); err != nil {
			t.Fatal(err)
		}
		if off := due.Sub(o.PlacedAt.Add(24 * time.Hour)).Abs(); off > time.Minute {
			t.Errorf("due at %s, placed at %s", due, o.PlacedAt)
		}
		if n, err := firer(t, s).RunOnce(t.Context()); n != 0 || err != nil {
			t.Errorf("fired %d before the time, %v", n, err)
		}
		if n := elapse(t, s, orderTimeout); n != 1 {
			t.Errorf("fired %d timers", n)
		}
		kept := order(t, s, o.ID)
		if kept.Status != Cancelled || kept.Version != 2 || kept.Reason == nil || *kept.Reason != TimedOut || len(timers(t, s)) != 0 {
			t.Errorf("kept %+v, timers %v", kept, timers(t, s))
		}
		news := published(t, s)
		if len(news) != 2 || news[1].Type != events.SalesOrderCancelled || news[1].Version != 2 ||
			news[1].CorrelationID != news[0].CorrelationID || news[1].CausationID != news[0].ID {
			t.Errorf("got events %+v", news)
		}
		confirm(t, s, o.ID) // inventory's late answer
		if late := order(t, s, o.ID); late.Status != Cancelled || late.Version != 2 || len(published(t, s)) != 2 || len(timers(t, s)) != 0 {
			t.Errorf("after the late allocation %+v, %d events", late, len(published(t, s)))
		}
	})
}

func TestConfirmedOrderIsOverdueOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		o, other := place(t, s, one("A")), place(t, s, one("A"))
		confirm(t, s, o.ID)
		confirm(t, s, other.ID)
		if got, want := fmt.Sprint(timers(t, s)), fmt.Sprintf("[ship_reminder %s ship_reminder %s]", o.ID, other.ID); got != want {
			t.Errorf("timers are %s, want %s", got, want)
		}
		if _, err := s.Ship(t.Context(), other.ID, always); err != nil {
			t.Fatal(err)
		}
		if first, second := elapse(t, s, shipReminder), elapse(t, s, shipReminder); first != 1 || second != 0 {
			t.Errorf("fired %d and %d timers", first, second)
		}
		kept := order(t, s, o.ID)
		if kept.Status != Confirmed || kept.Version != 3 || kept.OverdueAt == nil || len(timers(t, s)) != 0 {
			t.Errorf("kept %+v, timers %v", kept, timers(t, s))
		}
		var confirmed events.Event
		for _, e := range published(t, s) {
			if e.Subject == o.ID && e.Type == events.SalesOrderConfirmed {
				confirmed = e
			}
		}
		news := published(t, s)
		if last := news[len(news)-1]; last.Type != events.SalesOrderOverdue || last.Version != 3 || last.Subject != o.ID || last.CausationID != confirmed.ID {
			t.Errorf("got event %+v, caused by %+v", last, confirmed)
		}
		if shipped, err := s.Ship(t.Context(), o.ID, always); err != nil || shipped.Version != 4 || shipped.OverdueAt == nil {
			t.Errorf("shipped %+v, %v", shipped, err)
		}
		if order(t, s, other.ID).OverdueAt != nil {
			t.Error("a shipped order is overdue")
		}
	})
}

func TestClosedOrdersHaveNoTimer(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		rejected, cancelled, shipped := place(t, s, one("A")), place(t, s, one("A")), place(t, s, one("A"))
		if err := settle(t, s, Allocation{OrderID: rejected.ID, Status: "rejected", Short: map[string]int64{"A": 1}}); err != nil {
			t.Fatal(err)
		}
		confirm(t, s, shipped.ID)
		if _, err := s.Ship(t.Context(), shipped.ID, always); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Cancel(t.Context(), cancelled.ID, always); err != nil {
			t.Fatal(err)
		}
		if left := timers(t, s); len(left) != 0 {
			t.Errorf("timers are %v", left)
		}
	})
}

// With a time of 0, nothing happens, and timers from before wait.
func TestTimeOfZeroMeansNever(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		before := place(t, s, one("A"))
		s.store.timeout, s.store.reminder = 0, 0
		if handlers := s.store.timerHandlers(); len(handlers) != 0 {
			t.Errorf("handlers are %v", handlers)
		}
		after := place(t, s, one("A"))
		confirm(t, s, after.ID)
		if got, want := fmt.Sprint(timers(t, s)), "[order_timeout "+before.ID+"]"; got != want {
			t.Errorf("timers are %s, want %s", got, want)
		}
		s.store.timeout = time.Hour
		if n := elapse(t, s, orderTimeout); n != 1 || order(t, s, before.ID).Status != Cancelled {
			t.Errorf("fired %d timers", n)
		}
	})
}

// Any sequence of steps leaves a timer exactly where one is needed, one event for each
// version, and final statuses as they are.
func TestTimersFollowTheStatus(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	catalog := &fakeCatalog{}
	catalog.offer("A", 255, 1)
	rapid.Check(t, func(rt *rapid.T) {
		wipe(rt, conn)
		s := serviceOn(t, conn, catalog)
		o := place(t, s, one("A"))
		steps := map[string]func(){
			"allocated": func() { confirm(t, s, o.ID) },
			"rejected": func() {
				noError(rt, settle(t, s, Allocation{OrderID: o.ID, Status: "rejected", Short: map[string]int64{"A": 1}}))
			},
			"cancel":   func() { _, _ = s.Cancel(rt.Context(), o.ID, always) }, // may be too late
			"ship":     func() { _, _ = s.Ship(rt.Context(), o.ID, always) },   // may be too early
			"time out": func() { elapse(t, s, orderTimeout) },
			"remind":   func() { elapse(t, s, shipReminder) },
		}
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			before := order(t, s, o.ID)
			steps[rapid.SampledFrom([]string{"allocated", "rejected", "cancel", "ship", "time out", "remind"}).Draw(rt, "step")]()
			now := order(t, s, o.ID)
			if final := before.Status == Rejected || before.Status == Cancelled || before.Status == Shipped; final && now.Version != before.Version {
				rt.Fatalf("%+v became %+v", before, now)
			}
			checkTimers(t, s, o.ID)
			checkEvents(t, s, o.ID)
		}
	})
}

// checkTimers fails unless an order has the timer that its status needs, and no other.
func checkTimers(t testing.TB, s *Service, id string) {
	t.Helper()
	o, want := order(t, s, id), ""
	switch {
	case o.Status == Placed:
		want = orderTimeout
	case o.Status == Confirmed && o.OverdueAt == nil:
		want = shipReminder
	}
	var kinds []string
	if err := s.store.db.Table(timer.Table).Where("subject = ?", id).Pluck("kind", &kinds).Error; err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("the order is %s, overdue %v, with the timers %q, want %q", o.Status, o.OverdueAt, got, want)
	}
}

// Timers fire while orders are confirmed, cancelled and shipped. Every order keeps one
// consistent history, and nobody fails because of a deadlock.
func TestTimersRaceOtherChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		s.store.timeout, s.store.reminder = time.Microsecond, time.Microsecond
		const n = 60
		ids := make([]string, n)
		allocations := map[string]Allocation{}
		for i := range ids {
			ids[i] = place(t, s, one("A")).ID
			if i%3 > 0 {
				allocations[ids[i]] = Allocation{OrderID: ids[i], Status: "allocated"}
			}
		}
		var working sync.WaitGroup
		for range 2 {
			working.Go(func() {
				for range 10 {
					if _, err := firer(t, s).RunOnce(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		working.Go(func() {
			err := s.store.db.Transaction(func(tx *gorm.DB) error { return s.store.settle(t.Context(), tx, allocations, nil) })
			if err != nil {
				t.Error(err)
			}
		})
		for range 2 {
			working.Go(func() {
				for _, i := range rand.Perm(n) {
					if i%2 == 0 {
						_, _ = s.Cancel(t.Context(), ids[i], always) // may be too late
					} else {
						_, _ = s.Ship(t.Context(), ids[i], always) // may be too early
					}
				}
			})
		}
		working.Wait()
		if _, err := firer(t, s).RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		var failed int64
		if err := s.store.db.Table(timer.Table).Where("attempts > 0").Count(&failed).Error; err != nil || failed > 0 {
			t.Errorf("%d timers failed, %v", failed, err)
		}
		for _, id := range ids {
			checkTimers(t, s, id)
			checkEvents(t, s, id)
		}
	})
}

// Orders that exist before the migration get timers, which fire like others.
func TestMigrationSetsTimersOfExistingOrders(t *testing.T) {
	first := fstest.MapFS{}
	for _, dialect := range []string{"postgres", "sqlite"} {
		path := "migrations/" + dialect + "/00001_init.sql"
		data, err := fs.ReadFile(migrations, path)
		if err != nil {
			t.Fatal(err)
		}
		first[path] = &fstest.MapFile{Data: data}
	}
	dbtest.Each(t, Name, first, func(t *testing.T, conn *gorm.DB) {
		fraction := time.Date(2026, 1, 2, 3, 4, 50, 0, time.UTC).Add(100 * time.Millisecond)
		var want []string
		for i, c := range []struct {
			status            string
			placed, confirmed time.Time
			timer             string
		}{
			{Placed, fraction, fraction, "order_timeout o0 due"},
			{Placed, fraction.Truncate(time.Second), fraction, "order_timeout o1 due"},
			{Placed, db.Now(), db.Now(), "order_timeout o2"},
			{Confirmed, fraction, fraction, "ship_reminder o3 due"},
			{Confirmed, fraction, db.Now(), "ship_reminder o4"},
			{Shipped, fraction, fraction, ""},
			{Cancelled, fraction, fraction, ""},
		} {
			o := Order{ID: fmt.Sprint("o", i), Customer: "c", Status: c.status, Currency: "GBP", Version: 1, PlacedAt: c.placed, UpdatedAt: c.confirmed}
			if err := conn.Omit("Lines", "Reason", "OverdueAt").Create(&o).Error; err != nil {
				t.Fatal(err)
			}
			if c.timer != "" {
				want = append(want, c.timer)
			}
		}
		if err := db.Migrate(t.Context(), conn, Name, migrations); err != nil {
			t.Fatal(err)
		}
		s := serviceOn(t, conn, &fakeCatalog{})
		var due []struct {
			Name  string
			DueAt time.Time
		}
		if err := conn.Raw("SELECT kind || ' ' || subject AS name, due_at FROM timers ORDER BY kind, subject").Scan(&due).Error; err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range due {
			if d.DueAt.Before(time.Now()) {
				d.Name += " due"
			}
			got = append(got, d.Name)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("timers are %q, want %q", got, want)
		}
		if !due[0].DueAt.Equal(fraction.Add(24*time.Hour)) || !due[3].DueAt.Equal(fraction.Add(72*time.Hour)) {
			t.Errorf("due are %v", due)
		}
		var exact int64 // SQLite compares texts
		if err := conn.Table(timer.Table).Where("due_at = ?", fraction.Add(24*time.Hour)).Count(&exact).Error; err != nil || exact != 1 {
			t.Errorf("%d timers are due at %s, %v; want 1", exact, fraction.Add(24*time.Hour), err)
		}
		if n, err := firer(t, s).RunOnce(t.Context()); n != 3 || err != nil {
			t.Errorf("fired %d, %v", n, err)
		}
	})
}

func TestAPIShowsReasonAndOverdueOrders(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		e := serve(t, s)
		late, cancelled := place(t, s, one("A")), place(t, s, one("A"))
		confirm(t, s, late.ID)
		if _, err := s.Cancel(t.Context(), cancelled.ID, always); err != nil {
			t.Fatal(err)
		}
		timedOut := place(t, s, one("A"))
		elapse(t, s, orderTimeout)
		elapse(t, s, shipReminder)
		show := func(id string) api.Order { return decode[api.Order](t, ask(t, e, http.MethodGet, "/orders/"+id, "")) }
		if o := show(timedOut.ID); rest.Value(o.Reason) != TimedOut || o.Status != api.Cancelled || o.OverdueAt != nil {
			t.Errorf("timed out: %+v", o)
		}
		if o := show(cancelled.ID); o.Reason != nil || o.OverdueAt != nil {
			t.Errorf("cancelled: %+v", o)
		}
		if o := show(late.ID); o.Reason != nil || o.OverdueAt == nil || o.Status != api.Confirmed || o.Version != 3 {
			t.Errorf("overdue: %+v", o)
		}
		for query, want := range map[string]int{"true": 1, "false": 2, "true&status=placed": 0} {
			page := decode[api.OrderPage](t, ask(t, e, http.MethodGet, "/orders?overdue="+query, ""))
			if len(page.Items) != want || query == "true" && page.Items[0].Id != late.ID {
				t.Errorf("overdue=%s lists %+v", query, page.Items)
			}
		}
		if resp := ask(t, e, http.MethodGet, "/orders?overdue=perhaps", ""); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("overdue=perhaps gives %d", resp.StatusCode)
		}
		if _, err := s.Ship(t.Context(), late.ID, always); err != nil {
			t.Fatal(err)
		}
		if page := decode[api.OrderPage](t, ask(t, e, http.MethodGet, "/orders?overdue=true", "")); len(page.Items) != 0 {
			t.Errorf("a shipped order is listed: %+v", page.Items)
		}
	})
}
