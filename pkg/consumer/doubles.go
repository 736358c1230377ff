package consumer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"quadrille/pkg/bus"
)

// doubleWindow is the number of messages among which a consumer in order recognises a double.
// A relay that ends between publishing and recording a batch publishes the batch again; a
// batch has 1,000 events at most.
const doubleWindow = 2000

// doubles recognises messages that the log has twice. It remembers the last messages up to a
// position, and reads them from the log after a start, so that it needs no table.
type doubles struct {
	at    bus.Position // of the last message; zero before the first
	known map[uint64]bool
	order []uint64 // ring of the keys in known
	hash  maphash.Hash
	next  int // index in order of the oldest key, once the ring is full
}

// keyOf identifies a message by its ID and its body. The ID alone does not suffice: whoever
// publishes a message chooses it.
func (w *doubles) keyOf(d bus.Delivery) uint64 {
	w.hash.Reset()
	_, _ = w.hash.WriteString(d.ID)
	_ = w.hash.WriteByte(0)
	_, _ = w.hash.Write(d.Body)
	return w.hash.Sum64()
}

// among returns the offsets of those deliveries that are doubles of earlier messages.
func (w *doubles) among(deliveries []bus.Delivery) map[int64]bool {
	double := map[int64]bool{}
	first := make(map[uint64]bool, len(deliveries))
	for _, d := range deliveries {
		key := w.keyOf(d)
		if w.known[key] || first[key] {
			double[d.Offset] = true
		}
		first[key] = true
	}
	return double
}

// add remembers deliveries that were handled.
func (w *doubles) add(deliveries []bus.Delivery) {
	if w.known == nil {
		w.known = map[uint64]bool{}
	}
	for _, d := range deliveries {
		w.at = bus.Position{Offset: d.Offset, ID: d.ID}
		key := w.keyOf(d)
		switch {
		case w.known[key]:
			continue
		case len(w.order) < doubleWindow:
			w.order = append(w.order, key)
		default:
			delete(w.known, w.order[w.next])
			w.order[w.next] = key
			w.next = (w.next + 1) % doubleWindow
		}
		w.known[key] = true
	}
}

// warm reads the messages up to a position, unless they are known.
func (w *doubles) warm(ctx context.Context, log bus.Bus, stream string, at bus.Position) error {
	if w.at == at {
		return nil
	}
	w.at, w.known, w.order, w.next = bus.Position{}, nil, nil, 0
	if at.IsStart() {
		return nil
	}
	from := bus.Position{}
	if at.Offset >= doubleWindow {
		from = bus.Position{Offset: at.Offset - doubleWindow, ID: bus.AnyEvent}
	}
	sub, err := log.Subscribe(ctx, stream, from)
	if err != nil {
		return fmt.Errorf("subscribe before the position: %w", err)
	}
	defer sub.Close() //nolint:errcheck // it is discarded either way
	for w.at.LastOffset() < at.Offset {
		some, err := sub.Next(ctx, doubleWindow)
		if errors.Is(err, context.DeadlineExceeded) && at.ID == bus.AnyEvent {
			break // no event lies at the position
		}
		if err != nil {
			return fmt.Errorf("read before the position: %w", err)
		}
		for _, d := range some {
			if d.Offset <= at.Offset {
				w.add([]bus.Delivery{d})
			} else {
				w.at.Offset = at.Offset // ends the loop: no event lies at the position
			}
		}
	}
	w.at = at
	return nil
}
