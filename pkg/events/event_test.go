package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quadrille/pkg/events"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// all returns one event of each kind.
func all() []events.Event {
	list := []events.Event{
		events.SkuProcessed("85123A", 17), events.OrderAllocated("o-1", 1), events.OrderShort("o-1", 1),
		events.ProductChanged("85123A", 2), events.ProductWithdrawn("85123A", 3),
		events.ItemWished("ann", "85.1/2", 1), events.ItemAvailable("ann", "85123A", 2),
	}
	for _, typ := range []string{
		events.SalesOrderPlaced, events.SalesOrderConfirmed, events.SalesOrderRejected, events.SalesOrderCancelled, events.SalesOrderShipped,
		events.SalesOrderOverdue,
	} {
		list = append(list, events.OrderChanged(typ, "o-1", 1))
	}
	return list
}

// The wire format is a contract; it must not change by accident.
func TestWireFormatMatchesGoldenFiles(t *testing.T) {
	for _, e := range all() {
		e.ID, e.CorrelationID, e.CausationID = "01a1fb84-7598-7454-9597-bc82361588ff", "01a1fb84-758f-7c76-a93a-027f266c0afb", "01a1fb84-7593-7a34-aaf5-d55e5f12969d"
		e.Time = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
		e.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		got, err := json.MarshalIndent(map[string]any{"routing_key": e.RoutingKey(), "event": e}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", e.Type+".json")
		if *update {
			if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != strings.TrimSpace(string(want)) {
			t.Errorf("%s is now\n%s\nwant\n%s", e.Type, got, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, e := range all() {
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := events.Decode(body); err != nil || back != e {
			t.Errorf("%+v came back as %+v, %v", e, back, err)
		}
	}
}

func TestDecodeRefusesInvalidEvents(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"specversion":"1.0"}`,
		`{"specversion":"0.3","id":"1","source":"/a","type":"a.b","subject":"s","version":1}`,
		`{"specversion":"1.0","id":"","source":"/a","type":"a.b","subject":"s","version":1}`,
		`{"specversion":"1.0","id":"1","source":"/b","type":"a.b","subject":"s","version":1}`,
		`{"specversion":"1.0","id":"1","source":"/a","type":"a","subject":"s","version":1}`,
		`{"specversion":"1.0","id":"1","source":"/a","type":"a.b","subject":"","version":1}`,
		`{"specversion":"1.0","id":"1","source":"/a","type":"a.b","subject":"s","version":0}`,
		`{"specversion":"1.0","id":"1","source":"/a","type":"a.b","subject":"s","version":"1"}`,
	} {
		if e, err := events.Decode([]byte(body)); !errors.Is(err, events.ErrNotAnEvent) {
			t.Errorf("%s was decoded to %+v, %v", body, e, err)
		}
	}
	unknown := `{"specversion":"1.0","id":"1","source":"/a","type":"a.b","subject":"s","version":1,"other":{"x":1}}`
	if _, err := events.Decode([]byte(unknown)); err != nil {
		t.Errorf("an extension is refused: %v", err)
	}
}

func TestCauseIsPassedOn(t *testing.T) {
	first := events.SkuProcessed("A", 1).Stamp(context.Background())
	if first.CorrelationID != first.ID || first.CausationID != "" {
		t.Errorf("nothing caused %+v", first)
	}
	second := events.ProductChanged("A", 1).Stamp(events.CausedBy(context.Background(), first))
	if second.CorrelationID != first.ID || second.CausationID != first.ID {
		t.Errorf("%+v was caused by %s", second, first.ID)
	}
	third := events.OrderShort("o", 1).Stamp(events.CausedBy(context.Background(), second))
	if third.CorrelationID != first.ID || third.CausationID != second.ID {
		t.Errorf("%+v was caused by %s", third, second.ID)
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range all() {
		body, err := e.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := events.Decode(body)
		if err != nil {
			if !errors.Is(err, events.ErrNotAnEvent) {
				t.Errorf("%v does not wrap ErrNotAnEvent", err)
			}
			return
		}
		if strings.Count(e.RoutingKey(), ".") < 2 || e.Validate() != nil {
			t.Errorf("%+v was accepted", e)
		}
	})
}
