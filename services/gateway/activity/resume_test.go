package activity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// family is two instances on one database, which are killed and replaced while clients
// use them.
type family struct {
	t     *testing.T
	conn  *gorm.DB
	sales *fakeSales
	taken chan struct{} // of batches, while somebody counts them

	mu      sync.Mutex
	members [2]*instance
}

func newFamily(t *testing.T, conn *gorm.DB) *family {
	f := &family{t: t, conn: conn, sales: newSales(), taken: make(chan struct{}, 1)}
	for n := range f.members {
		f.replace(n)
	}
	return f
}

// replace stops an instance, if there is one, and starts another in its place. The ring
// is small, so that clients that were disconnected briefly need the table.
func (f *family) replace(n int) {
	next := startTCP(f.t, f.conn, f.sales, func(c *Config) { c.RingSize = 32 })
	f.mu.Lock()
	last := f.members[n]
	f.members[n] = next
	f.mu.Unlock()
	if last != nil {
		last.stop()
	}
}

func (f *family) any() *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[rand.N(len(f.members))]
}

// watcher is a client that reconnects at random, with the events that it received.
type watcher struct {
	name   string
	header http.Header
	sees   func(about string) bool
	told   []string // IDs of events
	seqs   []int64
}

// watch reads until it receives the event last.
func (w *watcher) watch(ctx context.Context, f *family, last string) error {
	id := "0"
	for {
		c, err := f.any().ask(ctx, "", after(w.header, id))
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil || c.answer.StatusCode != http.StatusOK {
			if err == nil {
				c.close()
			}
			continue // that one is being replaced
		}
		for range rand.N(60) {
			frame, err := c.read()
			if err != nil {
				break
			}
			if frame.id != "" {
				id = frame.id
			}
			if frame.event == "hello" || frame.event == "" {
				continue
			}
			b := frame.told(f.t)
			w.told, w.seqs = append(w.told, b.ID), append(w.seqs, b.Seq)
			if b.ID == last {
				c.close()
				return nil
			}
		}
		c.close()
	}
}

// happening is an event and its audience: a customer, "all" or "staff".
type happening struct {
	event events.Event
	about string
}

// happen publishes n events on a stream and returns them.
func (f *family) happen(stream string, n int) (said []happening) {
	for i := range n {
		customer := []string{"ann", "bob"}[i%2]
		id := fmt.Sprint("o", i)
		switch stream {
		case "catalog":
			said = append(said, happening{caused(events.ProductChanged(id, 1)), "all"})
		case "wishlist":
			said = append(said, happening{caused(events.ItemWished(customer, id, 1)), customer})
		case "sales":
			said = append(said, happening{f.sales.placed(id, customer), customer})
		default:
			said = append(said, happening{caused(events.OrderAllocated(id, 1)), customer}, happening{caused(events.SkuProcessed(id, 1)), "staff"})
		}
	}
	return said
}

// No gap and no duplicate: clients reconnect at random moments, instances end, and four
// readers append through both of them.
func TestDeliversEachEventOnceAcrossReconnects(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		f := newFamily(t, conn)
		said := map[string][]happening{}
		var all []happening
		for _, stream := range []string{"sales", "inventory", "catalog", "wishlist"} {
			said[stream] = f.happen(stream, 120)
			all = append(all, said[stream]...)
		}
		last := happening{caused(events.ProductChanged("last", 1)), "all"}
		all = append(all, last)
		watchers := []*watcher{
			{name: "staff", header: as("eve", "staff"), sees: func(string) bool { return true }},
			{name: "ann", header: as("ann", "customer"), sees: func(about string) bool { return about == "ann" || about == "all" }},
			{name: "bob", header: as("bob", "customer"), sees: func(about string) bool { return about == "bob" || about == "all" }},
			{name: "anonymous", header: anonymous(), sees: func(about string) bool { return about == "all" }},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*testTimeout)
		defer cancel()
		var writing, watching, replacing sync.WaitGroup
		for _, w := range watchers {
			watching.Go(func() {
				if err := w.watch(ctx, f, last.event.ID); err != nil {
					t.Errorf("%s: %v", w.name, err)
				}
			})
		}
		for _, stream := range said {
			writing.Go(func() { f.recordAll(ctx, stream) })
		}
		written := make(chan struct{})
		replacing.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-written:
					return
				case <-f.taken:
				}
				if n%12 == 0 {
					f.replace(n / 12 % 2)
				}
			}
		})
		writing.Wait()
		close(written)
		f.recordAll(ctx, []happening{last})
		watching.Wait()
		replacing.Wait()
		for _, w := range watchers {
			w.check(t, all)
		}
	})
}

// recordAll has either instance record events, in batches of any size, some of them
// twice.
func (f *family) recordAll(ctx context.Context, said []happening) {
	for len(said) > 0 {
		n := min(1+rand.N(10), len(said))
		batch := make([]events.Event, n)
		for i := range batch {
			batch[i] = said[i].event
		}
		for range 1 + rand.N(2) {
			if err := f.any().take(ctx, batch...); err != nil {
				f.t.Error(err)
			}
		}
		said = said[n:]
		select {
		case f.taken <- struct{}{}:
		default:
		}
	}
}

func (w *watcher) check(t *testing.T, all []happening) {
	t.Helper()
	var want []string
	for _, h := range all {
		if w.sees(h.about) {
			want = append(want, h.event.ID)
		}
	}
	for i := 1; i < len(w.seqs); i++ {
		if w.seqs[i] <= w.seqs[i-1] {
			t.Errorf("%s was told %d after %d", w.name, w.seqs[i], w.seqs[i-1])
		}
	}
	got := slices.Sorted(slices.Values(w.told))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s was told %d events, want %d others", w.name, len(got), len(want))
	}
}
