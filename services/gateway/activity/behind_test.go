package activity

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

// smallRing has streams read from the table.
func smallRing(c *Config) { c.RingSize, c.WriteTimeout = 16, 3*testTimeout }

// A stream that is catching up ends, too, when its caller is no longer valid.
func TestChecksCallerWhileCatchingUp(t *testing.T) {
	t.Parallel()
	var revoked atomic.Bool
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), smallRing, func(c *Config) {
		c.Heartbeat, c.StillValid = time.Millisecond, func(*http.Request) bool { return !revoked.Load() }
	})
	const all = 5000
	i.record(t, products(all)...)
	c, _ := i.listen(t, "", after(anonymous(), 0))
	c.some(t, 10)
	revoked.Store(true)
	if more := len(c.ended()); more > all/2 {
		t.Errorf("it was told %d more", more)
	}
}

func TestEndsStreamWhenCredentialsExpire(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) {
		c.Heartbeat = time.Hour
		c.Caller = func(r *http.Request) Caller {
			who := callerOf(r)
			who.ExpiresAt = time.Now().Add(50 * time.Millisecond)
			return who
		}
	})
	c, _ := i.listen(t, "", as("ann", "customer"))
	c.ended() // by itself
}

// Streams that need the table wait and continue afterwards.
func TestKeepsStreamsWhileTableCannotBeRead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales(), smallRing)
		const all = 3 * tablePage
		i.record(t, products(all)...)
		c, _ := i.listen(t, "", after(anonymous(), 0))
		c.some(t, 1) // the rest of the first page is being written
		rename := func(from, to string) {
			if err := conn.Exec("ALTER TABLE " + from + " RENAME TO " + to).Error; err != nil {
				t.Fatal(err)
			}
		}
		rename("activity", "away")
		c.some(t, tablePage-1)
		for {
			f, err := c.read()
			if err != nil {
				t.Fatalf("the stream ended: %v", err)
			}
			if f.event == "" {
				break // it waits, and says that it lives
			}
		}
		rename("away", "activity")
		for want, f := range c.some(t, all-tablePage) {
			if f.seq(t) != int64(tablePage+want+1) {
				t.Fatalf("told %+v, want %d", f, tablePage+want+1)
			}
		}
	})
}

// What many have missed together is read once for all of them.
func TestReadsEachPageOnceForManyClients(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, "gateway", tables())
	i := start(t, conn, newSales(), smallRing)
	const clients, pages = 40, 4
	i.record(t, products(pages*tablePage)...)
	i.record(t, caused(events.ProductChanged("last", 1)))
	var read atomic.Int64
	err := conn.Callback().Query().After("gorm:query").Register("count", func(tx *gorm.DB) {
		if strings.Contains(tx.Statement.SQL.String(), "seq <=") {
			read.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var coming sync.WaitGroup
	for range clients {
		c, _ := i.listen(t, "subject=last", after(anonymous(), 0))
		coming.Go(func() {
			if f := c.next(t); f.id != "2001" {
				t.Errorf("told %+v", f)
			}
		})
	}
	coming.Wait()
	if n := read.Load(); n < pages || n > 2*pages { // who missed a page by a hair reads it again
		t.Errorf("%d pages were read %d times", pages, n)
	}
}

// Correlation and causation would reveal whose order changed a product or made a wish
// come true.
func TestHidesCauseFromUnprivilegedCallers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales, smallRing)
		bobs := sales.placed("o1", "bob")
		ctx := events.CausedBy(t.Context(), bobs)
		batch := []events.Event{
			bobs, events.ProductChanged("A", 1).Stamp(ctx), events.ItemAvailable("ann", "A", 1).Stamp(ctx),
			caused(events.ItemWished("ann", "B", 1)), sales.placed("o2", "ann"),
		}
		live := map[string]*client{}
		for name, h := range map[string]http.Header{"": anonymous(), "ann": as("ann", "customer"), "eve": as("eve", "staff")} {
			live[name], _ = i.listen(t, "", h)
			defer live[name].close()
		}
		i.record(t, batch...)
		for name, c := range live {
			later, _ := i.listen(t, "", after(c.answer.Request.Header, 0))
			for _, c := range []*client{c, later} {
				for count := 0; count < map[string]int{"": 1, "ann": 4, "eve": 5}[name]; count++ {
					f := c.next(t)
					knows := name == "eve" || f.told(t).Service == "sales" || f.event == events.WishlistItemWished
					if got := f.told(t); (got.Correlation != "") != knows || !knows && strings.Contains(f.data, bobs.ID) {
						t.Errorf("%q is told %+v", name, f)
					}
				}
			}
		}
	})
}
