package activity

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

func TestStreamsNewEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		i.record(t, products(3)...)
		c, hello := i.listen(t, "", as("ann", "customer"))
		if hello.data != `{"seq":3,"subject":"ann","roles":["customer"]}` || hello.id != "3" {
			t.Errorf("hello is %+v", hello)
		}
		placed := sales.placed("o1", "ann")
		i.record(t, sales.placed("o2", "bob"), placed)
		f := c.next(t)
		if f.id != "5" || f.event != events.SalesOrderPlaced {
			t.Errorf("told %+v", f)
		}
		want := eventData{
			Seq: 5, ID: placed.ID, Type: placed.Type, Service: "sales", Subject: "o1", Version: 1, Customer: "ann",
			Correlation: placed.ID, Time: placed.Time, Href: "/api/v1/orders/o1",
		}
		if got := f.told(t); got != want {
			t.Errorf("told %+v\nwant %+v", got, want)
		}
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"} {
			if got := c.answer.Header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	})
}

func TestResumesAfterLastEventID(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales())
		i.record(t, products(10)...)
		c, hello := i.listen(t, "", after(anonymous(), 4))
		if hello.id != "4" {
			t.Errorf("a reconnect right after the hello would go on after %s", hello.id)
		}
		i.record(t, products(3)...)
		for want, f := range c.some(t, 9) {
			if f.seq(t) != int64(want+5) {
				t.Errorf("told %+v, want %d", f, want+5)
			}
		}
		c, _ = i.listen(t, "last_event_id=12", anonymous())
		if f := c.next(t); f.id != "13" {
			t.Errorf("told %+v", f)
		}
	})
}

func TestStreamsOnlyVisibleActivities(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		streams := map[string]*client{}
		for name, h := range map[string]http.Header{
			"nobody": anonymous(), "ann": as("ann", "customer"), "bob": as("bob", "customer"),
			"warehouse": as("scanner", "warehouse"), "staff": as("eve", "staff"),
		} {
			streams[name], _ = i.listen(t, "", h)
			streams[name+", later"], _ = i.listen(t, "", after(h, 0))
		}
		i.record(t, sales.placed("o1", "ann"), sales.placed("o2", "bob"), events.OrderAllocated("o1", 1))
		i.record(t, events.SkuProcessed("A", 1), events.ItemWished("ann", "A", 1), events.OrderChanged(events.SalesOrderPlaced, "o3", 1))
		i.record(t, products(1)...) // for all, so the end
		for name, c := range streams {
			name, _, _ = strings.Cut(name, ",")
			want := map[string]string{
				"nobody": "7", "ann": "1 3 5 7", "bob": "2 7", "warehouse": "1 2 3 4 6 7", "staff": "1 2 3 4 5 6 7",
			}[name]
			var got []string
			for len(got) == 0 || got[len(got)-1] != "7" {
				got = append(got, c.next(t).id)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s was told %v, want %s", name, got, want)
			}
		}
	})
}

func TestFiltersByTypeAndSubject(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales())
	i.record(t, products(2)...)
	types := "types=" + events.CatalogProductWithdrawn + ",%20" + events.InventorySkuProcessed
	byType, _ := i.listen(t, types, after(as("eve", "staff"), 0))
	bySubject, _ := i.listen(t, "subject=A", as("eve", "staff"))
	both, _ := i.listen(t, types+"&subject=A", as("eve", "staff"))
	for _, e := range []events.Event{
		events.ProductChanged("A", 1), events.SkuProcessed("B", 1), events.ProductWithdrawn("A", 1), events.SkuProcessed("A", 1),
	} {
		i.record(t, e)
	}
	for name, tc := range map[string]struct {
		c    *client
		want []string
	}{
		"types": {byType, []string{"4", "5", "6"}}, "subject": {bySubject, []string{"3", "5", "6"}}, "both": {both, []string{"5", "6"}},
	} {
		var got []string
		for _, f := range tc.c.some(t, len(tc.want)) {
			got = append(got, f.id)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("by %s: told %v, want %v", name, got, tc.want)
		}
	}
}

// A heartbeat moves the client past activities that were not for it, so that a reconnect
// does not scan them again.
func TestHeartbeatMovesLastEventID(t *testing.T) {
	t.Parallel()
	sales := newSales()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), sales, func(c *Config) { c.Heartbeat = 5 * time.Millisecond })
	c, hello := i.listen(t, "", as("bob", "customer"))
	f, err := c.read()
	if err != nil || f.comment != "heartbeat" || f.id != "" || hello.id != "0" {
		t.Errorf("told %+v (%v) after %+v", f, err, hello)
	}
	i.record(t, sales.placed("o1", "ann"), sales.placed("o2", "ann"))
	for f.id == "" {
		if f, err = c.read(); err != nil || f.event != "" {
			t.Fatalf("told %+v (%v)", f, err)
		}
	}
	if f.id != "2" {
		t.Errorf("told %+v", f)
	}
}

func TestEndsStreamOfInvalidCaller(t *testing.T) {
	t.Parallel()
	var revoked atomic.Bool
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) {
		c.Heartbeat, c.StillValid = 5*time.Millisecond, func(*http.Request) bool { return !revoked.Load() }
	})
	c, _ := i.listen(t, "", as("ann", "customer"))
	for range 3 {
		if f, err := c.read(); err != nil || f.comment != "heartbeat" {
			t.Fatalf("told %+v (%v)", f, err)
		}
	}
	revoked.Store(true)
	c.ended()
}

func TestResetsClientWhenActivityWasPruned(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales(), func(c *Config) { c.Keep = time.Hour })
		i.record(t, products(10)...)
		if n, err := i.pruneOnce(t.Context(), time.Now().Add(2*time.Hour)); err != nil || n != 9 {
			t.Fatalf("pruned %d (%v)", n, err)
		}
		var goOn []*client
		for from, reset := range map[int]bool{0: true, 8: true, 9: false, 10: false, 11: true} {
			c, _ := i.listen(t, "", after(anonymous(), from))
			if reset {
				if f := c.next(t); f.event != "reset" || f.data != `{"seq":10}` || f.id != "10" {
					t.Errorf("after %d: told %+v", from, f)
				}
			} else if from == 9 {
				if f := c.next(t); f.id != "10" || f.event != events.CatalogProductChanged {
					t.Errorf("after %d: told %+v", from, f)
				}
			}
			goOn = append(goOn, c)
		}
		i.record(t, products(1)...)
		for _, c := range goOn {
			if f := c.next(t); f.id != "11" {
				t.Errorf("told %+v in the end", f)
			}
		}
	})
}
