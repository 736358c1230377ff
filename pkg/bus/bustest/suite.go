package bustest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/bus"
)

// Driver opens logs of one driver and injects faults. A nil fault cannot happen to the
// driver; the output of its case says so.
type Driver struct {
	// Open opens a log that nothing else uses, over one store for the whole test:
	// opened twice, both see the same streams.
	Open func(t *testing.T) bus.Bus
	// Cut breaks what connects the open logs to the store, and returns what mends it.
	Cut func(t *testing.T) (mend func())
	// Block keeps publishers of the open logs from publishing, until unblock.
	Block func(t *testing.T) (unblock func())
	// Forget deletes a stream from the store, as if the store had been rebuilt.
	Forget func(t *testing.T, stream string)
	// Delete deletes the stream alone, while logs are open.
	Delete func(t *testing.T, stream string)
}

// waitLimit bounds every wait of the suite.
const waitLimit = 30 * time.Second

// Run runs the suite; open makes a Driver for each case.
func Run(t *testing.T, open func(t *testing.T) Driver) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Driver){
		"published and read in order":                      inOrder,
		"a batch is confirmed, or an error is returned":    confirmedOrNot,
		"two readers of one stream each get all":           twoReaders,
		"from the start and on live, no gap and no double": startAndLive,
		"resumes at a position":                            resumes,
		"closed in mid-batch, loses nothing":               closedInMidBatch,
		"the connection is cut and comes back":             cut,
		"blocked, and free again":                          blocked,
		"a position beyond the end is noticed":             beyondEnd,
		"a history begun anew is noticed":                  recreated,
		"a slow reader gets all":                           slowReader,
		"a large event":                                    largeEvent,
		"stopped twice":                                    stoppedTwice,
		"a stream with nothing in it":                      empty,
		"a wait that ended goes on":                        waitsAgain,
		"the history is gone under the publisher":          goneUnderThePublisher,
		"dropped and begun anew":                           dropped,
		"from an offset on, whatever lies there":           anyEvent,
		"from a time on":                                   since,
		"an event without an ID":                           withoutID,
		"a message that no log takes":                      refusedMessage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// stream is the name that every case uses; each has a store of its own.
const stream = "sales"

func context30(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	t.Cleanup(cancel)
	return ctx
}

// batch makes n messages whose bodies are their numbers, from first on.
func batch(first, n int) []bus.Message {
	messages := make([]bus.Message, n)
	for i := range messages {
		messages[i] = bus.Message{ID: uuid.NewString(), Type: "sales.order_placed", RoutingKey: "sales.order_placed.x", Body: fmt.Appendf(nil, "%d", first+i)}
	}
	return messages
}

func publish(t *testing.T, b bus.Bus, first, n int) {
	t.Helper()
	messages := batch(first, n)
	eventually(t, func() error { return b.Publish(t.Context(), stream, messages) })
}

// eventually tries until it works: a log that connects in the background may not
// be there yet.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", waitLimit, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func subscribe(t *testing.T, b bus.Bus, after bus.Position) bus.Subscription {
	t.Helper()
	var s bus.Subscription
	eventually(t, func() (err error) {
		s, err = b.Subscribe(t.Context(), stream, after)
		return err
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// take reads n events and checks that they are the numbers from first on, with
// rising offsets.
func take(t *testing.T, s bus.Subscription, first, n int) (last bus.Position) {
	t.Helper()
	ctx := context30(t)
	last.Offset = -1
	for got := 0; got < n; {
		found, err := s.Next(ctx, n-got)
		if err != nil {
			t.Fatalf("after %d of %d events: %v", got, n, err)
		}
		for _, d := range found {
			if want := strconv.Itoa(first + got); string(d.Body) != want {
				t.Fatalf("event %d is %s, want %s", got, d.Body, want)
			}
			if d.Offset <= last.Offset {
				t.Fatalf("offset %d after %d", d.Offset, last.Offset)
			}
			last = bus.Position{Offset: d.Offset, ID: d.ID}
			got++
		}
	}
	return last
}

// nothingMore checks that no further event is there.
func nothingMore(t *testing.T, s bus.Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if found, err := s.Next(ctx, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %d more events, %v; want none", len(found), err)
	}
}
