// Package copies keeps a service's copies of what another service owns, one row for each
// thing. Events name what changed; copies asks the owner for the things whose copies are
// behind, in batches, and writes the answer in the transaction that moves the position.
package copies

import (
	"context"
	"iter"

	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
)

// Copies is a consumer.Handler and a consumer.Lister that keeps a copy T of each thing Theirs of an
// owner. The subject of the owner's events is the thing's ID.
type Copies[Theirs, T any] struct {
	// Get asks the owner for the things with these IDs. It leaves out those that the
	// owner does not have.
	Get func(ctx context.Context, ids []string) ([]Theirs, error)
	// All iterates over everything that the owner has, for a resynchronisation.
	All func(ctx context.Context) iter.Seq2[Theirs, error]
	// Named returns an event with the ID and the version of a thing.
	Named func(Theirs) events.Event
	// Gone returns an event for a thing that the owner does not have any more. Where it is
	// nil, a resynchronisation leaves the copies of such things alone.
	Gone func(id string, version int64) events.Event
	// Copy makes a copy of a thing. Its error makes a dead letter of the event.
	Copy func(Theirs) (T, error)
	// Store keeps the copies.
	Store Store[T]
}

// Store keeps copies in the database. Table is one for copies of a single row.
type Store[T any] interface {
	// Versions returns the versions of the copies with these IDs, by ID. Where ids is nil
	// it returns those of all things that the owner still has as far as is known.
	Versions(ctx context.Context, ids []string) (map[string]int64, error)
	// Keep writes news, which is not empty, within tx. It must leave a copy alone that is
	// newer. It runs again with the same news after a conflict.
	Keep(ctx context.Context, tx consumer.Tx, news News[T]) error
}

// News is what the owner answered about a batch of events.
type News[T any] struct {
	Found  []T                     // copies of what the owner has, sorted by ID
	Gone   []string                // sorted IDs of what it does not have
	Causes map[string]events.Event // by ID, the newest event of the batch
}

// Fetch asks the owner for the things whose copies are behind.
func (c *Copies[Theirs, T]) Fetch(ctx context.Context, batch []events.Event) (News[T], error) {
	news := News[T]{Causes: consumer.Newest(batch)}
	known, err := c.Store.Versions(ctx, consumer.Subjects(news.Causes))
	if err != nil {
		return News[T]{}, err
	}
	behind := consumer.Behind(news.Causes, known)
	things, err := c.Get(ctx, behind)
	if err != nil {
		return News[T]{}, err
	}
	found := make(map[string]T, len(things))
	for _, thing := range things {
		if found[c.Named(thing).Subject], err = c.Copy(thing); err != nil {
			return News[T]{}, err
		}
	}
	for _, id := range behind {
		if own, exists := found[id]; exists {
			news.Found = append(news.Found, own)
		} else {
			news.Gone = append(news.Gone, id)
		}
	}
	return news, nil
}

// Apply has the store keep what the owner answered.
func (c *Copies[Theirs, T]) Apply(ctx context.Context, tx consumer.Tx, _ []events.Event, news News[T]) error {
	if len(news.Found)+len(news.Gone) == 0 {
		return nil
	}
	return c.Store.Keep(ctx, tx, news)
}

// List names everything that the owner has, and the copies of what it has no more.
func (c *Copies[Theirs, T]) List(ctx context.Context) iter.Seq2[events.Event, error] {
	things := consumer.Named(c.All(ctx), c.Named)
	if c.Gone == nil {
		return things
	}
	return consumer.Gone(things, func() (map[string]int64, error) { return c.Store.Versions(ctx, nil) }, c.Gone)
}
