package bustest

import (
	"context"
	"errors"
	"testing"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/events"
)

// A wait that ends with its context costs nothing: the next one goes on.
func waitsAgain(t *testing.T, d Driver) {
	b := d.Open(t)
	s := subscribe0(t, b)
	for n := range 5 {
		nothingMore(t, s)
		publish(t, b, n, 1)
		take(t, s, n, 1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("next gives %v, want the context's error", err)
	}
	publish(t, b, 5, 100)
	take(t, s, 5, 100)
}

// Who publishes when the history was deleted is told, or has it declared anew; no
// event is confirmed that nobody can read.
func goneUnderThePublisher(t *testing.T, d Driver) {
	if d.Delete == nil {
		t.Log("nobody can delete this driver's stream while it is open")
		return
	}
	b := d.Open(t)
	publish(t, b, 0, 10)
	d.Delete(t, stream)
	publish(t, b, 10, 300)
	take(t, subscribe(t, b, bus.Position{}), 10, 300)
}

func dropped(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 50)
	live := subscribe(t, b, bus.Position{})
	at := take(t, live, 0, 50)
	eventually(t, func() error { return b.Drop(t.Context(), stream) })
	publish(t, b, 50, 20)
	if got, err := live.Next(t.Context(), 100); err == nil {
		t.Errorf("a subscription to the dropped history continues with %d events of the next one", len(got))
	}
	wantChanged(t, b, at)
	take(t, subscribe(t, b, bus.Position{}), 50, 20)
	eventually(t, func() error { return b.Drop(t.Context(), "nobody") })
}

// A position whose event is not known begins behind its offset, whatever lies
// there; beyond the end it is noticed like any other.
func anyEvent(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 700)
	last := take(t, subscribe(t, b, bus.Position{}), 0, 700)
	for _, left := range []int{1, 5, 600} {
		s := subscribe(t, b, bus.Position{Offset: last.Offset - int64(left), ID: bus.AnyEvent})
		take(t, s, 700-left, left)
	}
	live := subscribe(t, b, bus.Position{Offset: last.Offset, ID: bus.AnyEvent})
	publish(t, b, 700, 3)
	take(t, live, 700, 3)
	wantChanged(t, b, bus.Position{Offset: last.Offset + 1000, ID: bus.AnyEvent})
}

// told makes a message of an event that was said at a time.
func told(t *testing.T, at time.Time) bus.Message {
	t.Helper()
	e := events.SkuProcessed("A1", 1)
	e.Time = at.UTC()
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{ID: e.ID, Type: e.Type, Body: body}
}

// Since finds all that was published from a time on, and does not begin at the
// start for it.
func since(t *testing.T, d Driver) {
	b := d.Open(t)
	now := time.Now()
	var old []bus.Message
	for i := range 300 {
		old = append(old, told(t, now.Add(time.Duration(i-300)*time.Millisecond)))
	}
	eventually(t, func() error { return b.Publish(t.Context(), stream, old) })
	time.Sleep(3 * time.Second) // the broker's clock has whole seconds, and goes by itself
	moment := time.Now()
	publishOne := []bus.Message{told(t, moment.Add(time.Millisecond))}
	eventually(t, func() error { return b.Publish(t.Context(), stream, publishOne) })
	end, err := b.End(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		since       time.Time
		least, most int64
	}{
		{now.Add(-time.Hour), 0, end.Offset - 300},
		{moment, end.Offset - 299, end.Offset},
		{moment.Add(time.Hour), end.Offset, end.Offset + 1},
	} {
		got, err := b.Since(t.Context(), stream, want.since)
		if err != nil || got < want.least || got > want.most {
			t.Errorf("since %s gives offset %d, %v; want %d to %d", want.since, got, err, want.least, want.most)
		}
	}
}

// What comes without an ID is known by what it says.
func withoutID(t *testing.T, d Driver) {
	b := d.Open(t)
	messages := batch(0, 3)
	for i := range messages {
		messages[i].ID = ""
	}
	eventually(t, func() error { return b.Publish(t.Context(), stream, messages) })
	at := take(t, subscribe(t, b, bus.Position{}), 0, 2)
	if at.IsStart() {
		t.Fatal("a position behind an event is the start")
	}
	take(t, subscribe(t, b, at), 2, 1)
}
