package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

func (i *instance) read(t testing.TB, path string, into any) {
	t.Helper()
	answer, said := i.call(t, "GET", path, anonymous())
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/json" || json.Unmarshal(said, into) != nil {
		t.Fatalf("%s: %d %s", path, answer.StatusCode, said)
	}
}

// trace returns the numbers of the activities in a trace, in order.
func (i *instance) trace(t testing.TB, query string) string {
	t.Helper()
	var list struct{ Items []traceItem }
	i.read(t, "/api/v1/ops/traces?"+query, &list)
	seqs := make([]string, len(list.Items))
	for n, item := range list.Items {
		seqs[n] = strconv.FormatInt(item.Seq, 10)
	}
	return strings.Join(seqs, " ")
}

// order returns the events of an order of SKU A, from one cause.
func (f *fakeSales) order(id string) []events.Event {
	placed := f.placed(id, "ann")
	ctx := events.CausedBy(context.Background(), placed)
	return []events.Event{
		placed, events.SkuProcessed("A", 1).Stamp(ctx), events.OrderAllocated(id, 1).Stamp(ctx),
		events.OrderChanged(events.SalesOrderConfirmed, id, 2).Stamp(ctx),
	}
}

func TestTracesBySubjectAndCorrelation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		first, second := sales.order("o1"), sales.order("o2")
		for n := range first { // at one moment, so that only the order in which they were recorded counts
			first[n].Time, second[n].Time = first[0].Time, first[0].Time
		}
		i.record(t, first[0], second[0], first[1], first[2], second[1], first[3])             // 1 2 3 4 5 6
		i.record(t, caused(events.OrderChanged(events.SalesOrderShipped, "o1", 3)))           // 7
		i.record(t, caused(events.SkuProcessed("B", 1)), caused(events.SkuProcessed("A", 2))) // 8 9
		for query, want := range map[string]string{
			"subject=o1": "1 3 4 6 7", "subject=o2": "2 5", "subject=A": "1 2 3 4 5 6 9", "subject=B": "8", "subject=C": "",
			"subject=o1&limit=2": "6 7", "subject=A&limit=4": "2 3 5 9", // 2 goes with 5, the newer of the two orders'
			"correlation=" + first[0].ID: "1 3 4 6", "correlation=" + first[0].ID + "&limit=2": "4 6", "correlation=none": "",
		} {
			if got := i.trace(t, query); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		var list struct{ Items []traceItem }
		i.read(t, "/api/v1/ops/traces?subject=o2", &list)
		got := list.Items[1]
		if got.SeenAt.IsZero() || got.SeenAt.Location() != time.UTC {
			t.Errorf("seen at %s", got.SeenAt)
		}
		got.SeenAt = time.Time{}
		want := traceItem{
			Seq: 5, ID: second[1].ID, Type: events.InventorySkuProcessed, Service: "inventory", Subject: "A", Version: 1,
			Correlation: second[0].ID, Causation: second[0].ID, Time: second[1].Time,
		}
		if got != want {
			t.Errorf("traced %+v\nwant   %+v", got, want)
		}
	})
}

// Each stream is recorded on its own and clocks differ, so an effect may be recorded
// before its cause. A trace orders causes first nevertheless.
func TestTraceOrdersCausesFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		o := sales.order("o1") // placed, stock, allocated, confirmed
		o[2].Time = o[0].Time.Add(-time.Second)
		shown := events.ProductChanged("A", 1).Stamp(events.CausedBy(t.Context(), o[1]))
		i.record(t, shown, o[1])
		i.record(t, o[3], o[2])
		i.record(t, o[0])
		if got := i.trace(t, "subject=o1"); got != "5 4 2 1 3" && got != "5 4 2 3 1" && got != "5 4 3 2 1" {
			t.Errorf("traced %s", got)
		}
		loop := []Activity{{EventID: "a", Causation: "b"}, {EventID: "b", Causation: "a"}, {EventID: "c", Causation: "c"}}
		if got := causesFirst(loop); len(got) != 3 {
			t.Errorf("of a circle came %v", got)
		}
	})
}

func TestBoundsTraces(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales())
	cause := caused(events.SkuProcessed("A", 1))
	ctx := events.CausedBy(t.Context(), cause)
	batch := []events.Event{cause}
	for n := range 500 {
		batch = append(batch, events.SkuProcessed(fmt.Sprint("S", n), 1).Stamp(ctx))
	}
	i.record(t, batch...)
	if got := strings.Fields(i.trace(t, "subject=A")); len(got) != 200 || got[0] != "1" || got[1] != "303" || got[199] != "501" {
		t.Errorf("traced %v", got)
	}
}

func TestHistoryCountsOrdersByMinute(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales, func(c *Config) {
			c.Lags = func(context.Context) []Lag { return []Lag{{Subscriber: "stats", Stream: "sales", Lag: 7}} }
		})
		want := map[time.Time]*orderCounts{}
		for ago, types := range map[time.Duration][]string{
			0:                {"placed", "placed", "confirmed"},
			3 * time.Minute:  {"placed", "rejected"},
			4 * time.Minute:  {"shipped", "cancelled"},
			61 * time.Minute: {"placed"},
		} {
			then := &orderCounts{}
			for _, typ := range types {
				e := caused(events.OrderChanged("sales.order_"+typ, "o1", 1))
				e.Time = e.Time.Truncate(time.Minute).Add(-ago)
				then.At = e.Time
				then.add(e.Type, 1)
				i.record(t, e)
			}
			want[then.At] = then
		}
		i.record(t, caused(events.OrderAllocated("o1", 1)))
		var h history
		i.read(t, "/api/v1/ops/history?minutes=9", &h) // a minute may have ended meanwhile
		if len(h.Orders) != 9 || h.StepSeconds != 60 || !h.From.Equal(h.Orders[0].At) {
			t.Errorf("history %+v", h)
		}
		found := 0
		for _, got := range h.Orders {
			if then := want[got.At]; then != nil && *then == got {
				found++
			} else if got != (orderCounts{At: got.At}) {
				t.Errorf("counted %+v, want %+v", got, then)
			}
		}
		if found != 3 {
			t.Errorf("%d of 3 minutes in %+v", found, h.Orders)
		}
		if len(h.Lag) != 0 {
			t.Errorf("lag %+v, and nobody looked", h.Lag)
		}
		now := time.Now()
		if err := i.lagSampler().runOnce(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		i.read(t, "/api/v1/ops/history?minutes=9", &h)
		if len(h.Lag) != 1 || h.Lag[0] != (Lag{now.UTC().Truncate(time.Minute), "stats", "sales", 7}) {
			t.Errorf("lag %+v", h.Lag)
		}
		i.read(t, "/api/v1/ops/history", &h)
		if len(h.Orders) != 60 {
			t.Errorf("%d minutes", len(h.Orders))
		}
	})
}

// The largest lag of each minute is kept for the length of a history, whichever instance
// sampled it.
func TestKeepsLargestLagOfEachMinute(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		n := int64(0)
		instances := []*lagSampler{}
		for range 2 {
			instances = append(instances, &lagSampler{&store{db: conn}, slog.New(slog.DiscardHandler), func(context.Context) []Lag {
				n++
				return []Lag{{Stream: "a", Lag: n % 7}, {Stream: "b", Lag: n}}
			}, testTimeout})
		}
		begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		for at := begun; at.Sub(begun) < 3*time.Minute; at = at.Add(10 * time.Second) {
			if err := instances[n%2].runOnce(t.Context(), at); err != nil {
				t.Fatal(err)
			}
		}
		minute := begun.Truncate(time.Minute)
		want := []Lag{
			{minute, "", "a", 6}, {minute, "", "b", 6}, // 1 to 6
			{minute.Add(time.Minute), "", "a", 5}, {minute.Add(time.Minute), "", "b", 12}, // 7 to 12
			{minute.Add(2 * time.Minute), "", "a", 6}, {minute.Add(2 * time.Minute), "", "b", 18}, // 13 to 18
		}
		if got, err := instances[0].store.lags(t.Context(), minute); err != nil || !slices.Equal(got, want) {
			t.Errorf("kept %v, %v", got, err)
		}
		if got, err := instances[1].store.lags(t.Context(), minute.Add(time.Second)); err != nil || !slices.Equal(got, want[2:]) {
			t.Errorf("kept since then %v, %v", got, err)
		}
		later := begun.Add(maxHistory*time.Minute + time.Minute)
		if err := instances[0].runOnce(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		if _, err := pruneLags(conn, later.Add(-maxHistory*time.Minute), 1); err != nil {
			t.Fatal(err)
		}
		if got, err := instances[1].store.lags(t.Context(), minute); err != nil || len(got) != 6 || got[0] != want[2] {
			t.Errorf("kept after a day %v, %v", got, err)
		}
	})
}

func TestPruningLeavesNoGap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales(), func(c *Config) { c.Keep = time.Hour })
		i.record(t, products(1100)...)
		// One in the middle was taken by a clock that is ahead.
		err := conn.Exec("UPDATE activity SET seen_at = ? WHERE seq = 1050", time.Now().UTC().Add(time.Hour)).Error
		if err != nil {
			t.Fatal(err)
		}
		soon := time.Now().Add(90 * time.Minute)
		if n, err := i.pruneOnce(t.Context(), soon); err != nil || n != 1049 {
			t.Errorf("pruned %d (%v)", n, err)
		}
		if n, err := i.pruneOnce(t.Context(), soon.Add(time.Hour)); err != nil || n != 50 {
			t.Errorf("pruned %d (%v)", n, err)
		}
		i.record(t, products(1)...)
		activities, err := i.store.after(t.Context(), 0, 10)
		if err != nil || len(activities) != 2 || activities[0].Seq != 1100 || activities[1].Seq != 1101 {
			t.Errorf("kept %v (%v)", activities, err)
		}
	})
}
