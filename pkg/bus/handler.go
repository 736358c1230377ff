package bus

import (
	"context"
	"iter"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// Tx is an open transaction on the subscriber's own database. The alias lets a
// consumer hand it to its store without knowing what it is.
type Tx = *gorm.DB

// Handler is what a subscriber does with a batch of events, in two steps,
// because no transaction may be held over a call to somebody else.
//
// Both steps may run again for the same batch, for a part of it or for another
// cut of the stream; what Apply writes must therefore be idempotent by the
// external ID and version of the things named.
type Handler[F any] interface {
	// Fetch asks the owners for the distinct things that the events name. No
	// transaction is open.
	Fetch(ctx context.Context, batch []events.Event) (F, error)
	// Apply writes the effect, with the outbox rows that come of it, through
	// tx. The reader moves its position in the same transaction and commits.
	Apply(ctx context.Context, tx Tx, batch []events.Event, fetched F) error
}

// Lister is a Handler that can be brought up to date without events: it names
// what its owner has. A reader whose history was cut or replaced takes what is
// named through Fetch and Apply, as if each thing had been told of again, before
// it reads on.
type Lister interface {
	// List names all of the owner's things, and those copies whose owner has the
	// thing no more, each by the event that would tell of it now. An error ends it.
	List(ctx context.Context) iter.Seq2[events.Event, error]
}

// Named is things, each named by an event: what most of a List is made of.
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

// Gone is Named, followed by the copies, by subject at the version kept, that were
// not among the things: gone tells of them at a version above the copy's.
func Gone(things iter.Seq2[events.Event, error], kept func() (map[string]int64, error), gone func(subject string, version int64) events.Event) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		copies, err := kept() // before the list: what is copied meanwhile is not gone
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
