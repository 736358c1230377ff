package rabbitmq_test

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

// slowBroker returns a log whose every read is held back, and what sets the time.
func slowBroker(t *testing.T, prefetch int) (*rabbitmq.Log, *nodes.Proxy) {
	t.Helper()
	broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
	target, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	proxy := nodes.NewProxy(t, target.Host)
	target.Host = proxy.Address()
	b := openAt(t, rabbitmq.Config{URLs: []string{target.String()}, Prefix: prefix, Prefetch: prefetch})
	if err := b.Publish(t.Context(), "sales", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
	return b, proxy
}

// The end is the last confirmed event, however slowly the broker tells, and however
// few deliveries a reader takes at a time.
func TestEndIsTheLastConfirmed(t *testing.T) {
	for _, prefetch := range []int{1, 1000} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			b, proxy := slowBroker(t, prefetch)
			for _, n := range []int{1, 300, 2, 2500} { // 2500 are more than one look takes
				sent := bustest.Messages(t, n, time.Now())
				if err := b.Publish(t.Context(), "sales", sent); err != nil {
					t.Fatal(err)
				}
				proxy.Delay(60 * time.Millisecond)
				end, err := b.End(t.Context(), "sales")
				proxy.Mend()
				if err != nil || end.ID != sent[n-1].ID {
					t.Errorf("after %d events the end is %+v, %v; want %s", n, end, err, sent[n-1].ID)
				}
			}
		})
	}
}

// Many ask for the end at once while events are published. Each is told an end that
// is not before the events confirmed when it asked.
func TestEndIsNeverOlderThanTheCall(t *testing.T) {
	t.Parallel()
	b, _ := slowBroker(t, 1000)
	at := map[string]int{}
	var mu sync.Mutex
	confirmed := 0
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				least := confirmed
				mu.Unlock()
				end, err := b.End(t.Context(), "sales")
				mu.Lock()
				if n := at[end.ID]; err != nil || n < least {
					t.Errorf("the end is event %d, %v; %d were confirmed before", n, err, least)
				}
				mu.Unlock()
			}
		})
	}
	for range 60 {
		sent := bustest.Messages(t, 20, time.Now())
		mu.Lock()
		for _, m := range sent {
			at[m.ID] = len(at) + 1
		}
		total := len(at)
		mu.Unlock()
		if err := b.Publish(t.Context(), "sales", sent); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		confirmed = total
		mu.Unlock()
	}
	stop()
	asking.Wait()
}

// A caller that gives up takes nothing from the others that wait for the same answer.
func TestEndOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()
	b, proxy := slowBroker(t, 1000)
	sent := bustest.Messages(t, 10, time.Now())
	if err := b.Publish(t.Context(), "sales", sent); err != nil {
		t.Fatal(err)
	}
	proxy.Delay(50 * time.Millisecond)
	defer proxy.Mend()
	gone, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer leave()
	first := make(chan error, 1)
	go func() { _, err := b.End(gone, "sales"); first <- err }()
	var asking sync.WaitGroup
	for range 5 {
		asking.Go(func() {
			if end, err := b.End(t.Context(), "sales"); err != nil || end.ID != sent[9].ID {
				t.Errorf("the end is %+v, %v", end, err)
			}
		})
	}
	asking.Wait()
	if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the one that left got %v", err)
	}
}

// A verdict that a history changed is proved by a marker, which neither readers nor
// the end show.
func TestProvesThatHistoryChanged(t *testing.T) {
	t.Parallel()
	b, _ := slowBroker(t, 1000)
	beyond := bus.Position{Offset: 7, ID: "gone"}
	for range 3 {
		if _, err := b.Subscribe(t.Context(), "sales", beyond); !errors.Is(err, bus.ErrHistoryChanged) {
			t.Fatalf("a position in an empty history gives %v", err)
		}
		if end, err := b.End(t.Context(), "sales"); err != nil || !end.IsStart() {
			t.Fatalf("the end of an empty history is %+v, %v", end, err)
		}
		beyond.Offset += 10
	}
	sent := bustest.Messages(t, 2, time.Now())
	if err := b.Publish(t.Context(), "sales", sent); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		if _, err := b.Subscribe(t.Context(), "sales", bus.Position{Offset: beyond.Offset, ID: bus.AnyEvent}); !errors.Is(err, bus.ErrHistoryChanged) {
			t.Fatalf("an offset beyond the end gives %v", err)
		}
		beyond.Offset += 10
	}
	end, err := b.End(t.Context(), "sales")
	if err != nil || end.ID != sent[1].ID {
		t.Fatalf("the end is %+v, %v; want %s", end, err, sent[1].ID)
	}
	s, err := b.Subscribe(t.Context(), "sales", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := 0; n < 2; {
		found, err := s.Next(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			if n > 1 || d.ID != sent[n].ID {
				t.Fatalf("event %d is %s: %s", n, d.ID, d.Body)
			}
			n++
		}
	}
	waiting, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if found, err := s.Next(waiting, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("behind the events come %d, %v", len(found), err)
	}
}
