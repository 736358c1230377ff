package activity

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/app"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
)

// recordedCustomers returns the customers of the recorded activities, in order.
func recordedCustomers(t *testing.T, i *instance) (customers []string) {
	t.Helper()
	activities, err := i.store.after(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range activities {
		customers = append(customers, n.Customer)
	}
	return customers
}

func TestFetchesCustomerOfAnOrderOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		placed := sales.placed("o1", "ann")
		unknown := events.OrderAllocated("o9", 1)
		i.record(t, placed, caused(events.ProductChanged("o1", 1)), events.OrderAllocated("o1", 1), unknown)
		i.record(t, events.OrderChanged(events.SalesOrderConfirmed, "o1", 2), events.SkuProcessed("o9", 1))
		if !slices.Equal(sales.asked, []string{"o1", "o9"}) {
			t.Errorf("sales was asked for %v", sales.asked)
		}
		sales.placed("o9", "bob")
		i.record(t, events.OrderChanged(events.SalesOrderConfirmed, "o9", 2), events.ItemWished("cid", "o1", 1))
		want := []string{"ann", "", "ann", "", "ann", "", "bob", "cid"}
		if got := recordedCustomers(t, i); !slices.Equal(got, want) {
			t.Errorf("recorded for %q, want %q", got, want)
		}
	})
}

func TestRecordsNoOrdersWhileSalesIsUnavailable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		placed := sales.placed("o1", "ann")
		sales.away = errors.New("away")
		if err := i.take(t.Context(), placed); !errors.Is(err, sales.away) {
			t.Errorf("got %v", err)
		}
		i.record(t, products(1)...) // no business of sales
		sales.away = nil
		i.record(t, placed)
		if got := recordedCustomers(t, i); !slices.Equal(got, []string{"", "ann"}) {
			t.Errorf("recorded for %q", got)
		}
	})
}

func TestDoesNotRecordOldEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales, func(c *Config) { c.Keep = time.Hour })
		old, recent, timeless := sales.placed("o1", "ann"), sales.placed("o2", "bob"), sales.placed("o3", "cid")
		old.Time, recent.Time, timeless.Time = time.Now().Add(-61*time.Minute), time.Now().Add(-59*time.Minute), time.Time{}
		i.record(t, old, recent, timeless)
		if got := recordedCustomers(t, i); !slices.Equal(got, []string{"bob", "cid"}) || slices.Contains(sales.asked, "o1") {
			t.Errorf("recorded for %q, asked for %q", got, sales.asked)
		}
	})
}

// From the log to a stream: a commit wakes the streams of the same process, and reading a
// history again changes nothing.
func TestStreamsCommittedEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales, func(c *Config) { c.Poll, c.Streams = time.Hour, recordedStreams() }) // only a wake helps
		log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = log.Close() })
		readers, err := i.Consumers(app.Deps{DB: conn, Bus: log, Log: slog.New(slog.DiscardHandler)})
		if err != nil || len(readers) != 4 {
			t.Fatalf("%d readers, %v", len(readers), err)
		}
		var running sync.WaitGroup
		t.Cleanup(running.Wait)
		for _, r := range readers {
			running.Go(func() { _ = r.Run(t.Context()) })
		}
		c, _ := i.listen(t, "", as("ann", "customer"))
		for _, e := range []events.Event{
			caused(events.ProductChanged("A", 1)), sales.placed("o1", "ann"), events.OrderAllocated("o1", 1), events.ItemWished("ann", "A", 1),
		} {
			publish(t, log, e)
			if f := c.next(t); f.event != e.Type || f.told(t).ID != e.ID {
				t.Errorf("told %+v, want %+v", f, e)
			}
		}
		if err := consumer.Reset(t.Context(), conn, app.Gateway, "catalog", 0); err != nil {
			t.Fatal(err)
		}
		last := caused(events.ProductChanged("B", 1))
		publish(t, log, last)
		if f := c.next(t); f.told(t).ID != last.ID || f.id != "5" {
			t.Errorf("told %+v after a replay", f)
		}
	})
}

func publish(t *testing.T, log bus.Bus, e events.Event) {
	t.Helper()
	text, err := e.Encode()
	if err == nil {
		err = log.Publish(t.Context(), e.Service(), []bus.Message{{ID: e.ID, Type: e.Type, RoutingKey: e.RoutingKey(), Body: text}})
	}
	if err != nil {
		t.Fatal(err)
	}
}
