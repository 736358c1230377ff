package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"quadrille/pkg/bus"
)

func inOrder(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 1)
	publish(t, b, 1, 2500)
	publish(t, b, 2501, 3)
	s := subscribe(t, b, bus.Position{})
	last := take(t, s, 0, 2504)
	nothingMore(t, s)
	eventually(t, func() error {
		end, err := b.End(t.Context(), stream)
		if err == nil && end != last {
			err = errors.New("the end is another one")
		}
		return err
	})
}

// Confirmed means readable by another log on the same store; refused, that the
// caller is told.
func confirmedOrNot(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 700)
	take(t, subscribe(t, d.Open(t), bus.Position{}), 0, 700)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), stream, batch(700, 10)); err == nil {
		t.Error("a closed log confirmed a batch")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Open(t).Publish(gone, stream, batch(700, 10)); err == nil {
		t.Error("a batch was confirmed to a caller that had gone before")
	}
}

func twoReaders(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 1200)
	one, two := subscribe(t, b, bus.Position{}), subscribe(t, b, bus.Position{})
	take(t, one, 0, 1200)
	take(t, two, 0, 1200)
	publish(t, b, 1200, 5)
	take(t, two, 1200, 5)
	take(t, one, 1200, 5)
}

func startAndLive(t *testing.T, d Driver) {
	b := d.Open(t)
	const batches, size = 60, 100
	publish(t, b, 0, size)
	published := make(chan error, 1)
	go func() {
		for i := 1; i < batches; i++ {
			if err := b.Publish(t.Context(), stream, batch(i*size, size)); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()
	s := subscribe(t, b, bus.Position{})
	take(t, s, 0, batches*size)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	nothingMore(t, s)
}

func resumes(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 300)
	s := subscribe(t, b, bus.Position{})
	at := take(t, s, 0, 123)
	again := subscribe(t, b, at)
	end := take(t, again, 123, 177)
	nothingMore(t, again)
	atEnd := subscribe(t, b, end)
	nothingMore(t, atEnd)
	live := subscribe(t, b, end)
	publish(t, b, 300, 10)
	take(t, live, 300, 10)
}

func closedInMidBatch(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 2000)
	s := subscribe(t, b, bus.Position{})
	at := take(t, s, 0, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context(), 10); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("next after close gives %v, want ErrClosed", err)
	}
	take(t, subscribe(t, b, at), 50, 1950)
}

func cut(t *testing.T, d Driver) {
	if d.Cut == nil {
		t.Log("this driver has no connection that could be cut")
		return
	}
	b := d.Open(t)
	publish(t, b, 0, 100)
	s := subscribe(t, b, bus.Position{})
	at := take(t, s, 0, 100)
	mend := d.Cut(t)
	if _, err := s.Next(context30(t), 1); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("next gives %v, want ErrUnavailable", err)
	}
	eventually(t, func() error {
		if b.State() == nil {
			return errors.New("the log does not say that it is away")
		}
		return nil
	})
	if err := b.Publish(t.Context(), stream, batch(100, 1)); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("publish gives %v, want ErrUnavailable", err)
	}
	mend()
	eventually(t, b.State)
	publish(t, b, 100, 100)
	take(t, subscribe(t, b, at), 100, 100)
}

func blocked(t *testing.T, d Driver) {
	if d.Block == nil {
		t.Log("this driver has no broker that could block its publishers")
		return
	}
	b := d.Open(t)
	publish(t, b, 0, 10)
	unblock := d.Block(t)
	eventually(t, func() error {
		if !errors.Is(b.State(), bus.ErrBlocked) {
			return errors.New("the log does not say that it is blocked")
		}
		// A driver may have several connections, and State may know of the reading one first.
		if err := b.Publish(t.Context(), stream, nil); !errors.Is(err, bus.ErrBlocked) {
			return fmt.Errorf("publishers are not blocked: %w", err)
		}
		return nil
	})
	if err := b.Publish(t.Context(), stream, batch(10, 1)); !errors.Is(err, bus.ErrBlocked) || !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("publish gives %v, want ErrBlocked", err)
	}
	take(t, subscribe(t, b, bus.Position{}), 0, 10)
	unblock()
	eventually(t, b.State)
	publish(t, b, 10, 10)
}

func beyondEnd(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 20)
	at := take(t, subscribe(t, b, bus.Position{}), 0, 20)
	at.Offset += 1000
	wantChanged(t, b, at)
}

// wantChanged checks that the log does not know the position.
func wantChanged(t *testing.T, b bus.Bus, at bus.Position) {
	t.Helper()
	s, err := b.Subscribe(context30(t), stream, at)
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, bus.ErrHistoryChanged) {
		t.Errorf("subscribe gives %v, want ErrHistoryChanged", err)
	}
}

func recreated(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 20)
	at := take(t, subscribe(t, b, bus.Position{}), 0, 20)
	d.Forget(t, stream)
	again := d.Open(t) // what was published on before is gone for the old one
	publish(t, again, 0, 5)
	wantChanged(t, again, at)
	publish(t, again, 5, 100) // now the new one has grown past the position
	wantChanged(t, again, at)
	take(t, subscribe(t, again, bus.Position{}), 0, 105)
}

func slowReader(t *testing.T, d Driver) {
	b := d.Open(t)
	s := subscribe0(t, b)
	publish(t, b, 0, 6000) // more than anything buffers
	for i := range 20 {
		take(t, s, i*7, 7)
		time.Sleep(time.Millisecond)
	}
	take(t, s, 140, 5860)
}

// subscribe0 subscribes to a stream that may not be declared yet.
func subscribe0(t *testing.T, b bus.Bus) bus.Subscription {
	t.Helper()
	eventually(t, func() error { return b.Publish(t.Context(), stream, nil) })
	return subscribe(t, b, bus.Position{})
}

func largeEvent(t *testing.T, d Driver) {
	b := d.Open(t)
	m := batch(0, 3)
	m[1].Body = bytes.Repeat([]byte("x"), 1<<20)
	eventually(t, func() error { return b.Publish(t.Context(), stream, m) })
	s, ctx := subscribe(t, b, bus.Position{}), context30(t)
	for got := 0; got < 3; {
		found, err := s.Next(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(found[0].Body, m[got].Body) || found[0].ID != m[got].ID {
			t.Fatalf("event %d came back as another one", got)
		}
		got++
	}
}

func stoppedTwice(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 10)
	s := subscribe(t, b, bus.Position{})
	take(t, s, 0, 10)
	ended := make(chan error, 1)
	go func() { _, err := s.Next(t.Context(), 1); ended <- err }()
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	select {
	case err := <-ended:
		if !errors.Is(err, bus.ErrClosed) {
			t.Errorf("a waiting reader gets %v, want ErrClosed", err)
		}
	case <-time.After(waitLimit):
		t.Fatal("a waiting reader was not let go")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("close subscription: %v", err)
	}
	if !errors.Is(b.State(), bus.ErrClosed) {
		t.Errorf("state is %v, want ErrClosed", b.State())
	}
	if _, err := b.Subscribe(t.Context(), stream, bus.Position{}); err == nil {
		t.Error("a closed log took a subscription")
	}
}

func empty(t *testing.T, d Driver) {
	b := d.Open(t)
	eventually(t, func() error { return b.Publish(t.Context(), stream, nil) })
	end, err := b.End(t.Context(), stream)
	if err != nil || !end.IsStart() {
		t.Errorf("the end is %+v, %v", end, err)
	}
	if end, err = b.End(t.Context(), "nobody"); err != nil || !end.IsStart() {
		t.Errorf("the end of a stream that is not there is %+v, %v", end, err)
	}
	nothingMore(t, subscribe(t, b, bus.Position{}))
	wantChanged(t, b, bus.Position{Offset: 3, ID: "x"})
}
