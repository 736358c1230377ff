package consumer

import (
	"context"
	"iter"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// Tx is an open transaction on the consumer's own database. The alias lets a handler pass
// it to its store without importing gorm.
type Tx = *gorm.DB

// Handler handles batches of events in two steps, so that no transaction is open during
// a network call.
//
// Both steps may run again for the same batch, for a part of it, or for another division
// of the stream into batches. Apply must therefore be idempotent by the subject and
// version of each event.
type Handler[F any] interface {
	// Fetch calls the owners for the distinct subjects of the batch. No transaction is
	// open.
	Fetch(ctx context.Context, batch []events.Event) (F, error)
	// Apply writes the effect of the batch and its outbox rows through tx. The consumer
	// moves its position in the same transaction and commits it.
	Apply(ctx context.Context, tx Tx, batch []events.Event, fetched F) error
}

// Lister is a Handler that can resynchronise without events. If the history was cut or
// replaced, the consumer passes the listed events to Fetch and Apply before it continues
// to read.
type Lister interface {
	// List yields an event for each thing that the owner has, and one for each copy whose
	// thing the owner no longer has. It ends at the first error.
	List(ctx context.Context) iter.Seq2[events.Event, error]
}

// Named maps the owner's things to events.
func Named[T any](things iter.Seq2[T, error], name func(T) events.Event) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		for thing, err := range things {
			if err != nil {
				yield(events.Event{}, err)
				return
			}
			if !yield(name(thing), nil) {
				return
			}
		}
	}
}

// Gone yields the things, then one event for each copy that was not among them. kept
// returns the versions of the copies by subject; gone makes the event, at a version above
// that of the copy.
func Gone(things iter.Seq2[events.Event, error], kept func() (map[string]int64, error), gone func(subject string, version int64) events.Event) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		copies, err := kept() // before listing: a copy that is made meanwhile is not gone
		if err != nil {
			yield(events.Event{}, err)
			return
		}
		for e, err := range things {
			if !yield(e, err) || err != nil {
				return
			}
			delete(copies, e.Subject)
		}
		for subject, version := range copies {
			if !yield(gone(subject, version+1), nil) {
				return
			}
		}
	}
}
