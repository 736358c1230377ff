// Package copies keeps a service's copies of things that another service owns. Events name the
// changed things. The package fetches the things with outdated copies from the owner, in
// batches, and writes the copies in the transaction that moves the position.
package copies

import (
	"context"
	"errors"
	"iter"
	"maps"

	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/restclient"
)

// Copies implements consumer.Handler and consumer.Lister. It keeps a copy of type T of each thing
// of type Theirs. The subject of the owner's events must be the thing's ID.
type Copies[Theirs, T any] struct {
	// Get fetches the things with these IDs from the owner. It omits those that the owner does
	// not have.
	Get func(ctx context.Context, ids []string) ([]Theirs, error)
	// All iterates over all things of the owner, for a resynchronisation.
	All func(ctx context.Context) iter.Seq2[Theirs, error]
	// Named returns an event with the ID and the version of a thing.
	Named func(Theirs) events.Event
	// Gone returns an event for a thing that the owner no longer has. If Gone is nil, a
	// resynchronisation leaves the copies of such things alone.
	Gone func(id string, version int64) events.Event
	// Copy converts a thing to its copy. An error makes the event a dead letter.
	Copy  func(Theirs) (T, error)
	Store Store[T]
}

// Store stores copies in the database. Table implements it for copies of one row each.
type Store[T any] interface {
	// Versions returns the versions of the copies with these IDs, keyed by ID. If ids is nil,
	// it returns those of all copies except copies of things known to be gone.
	Versions(ctx context.Context, ids []string) (map[string]int64, error)
	// Keep writes news, which is not empty, within tx. It must not overwrite newer copies. It
	// is called again with the same news after a conflict.
	Keep(ctx context.Context, tx consumer.Tx, news News[T]) error
}

// News holds the owner's response to a batch of events.
type News[T any] struct {
	Found  []T                     // copies of the things that the owner has, sorted by ID
	Gone   []string                // IDs of the things that it does not have, sorted
	Causes map[string]events.Event // the newest event of the batch for each ID
}

// Fetch fetches the things with outdated copies from the owner. Things that the owner refuses
// or that cannot be copied are named in an Unfit error.
func (c *Copies[Theirs, T]) Fetch(ctx context.Context, batch []events.Event) (News[T], error) {
	news := News[T]{Causes: consumer.Newest(batch)}
	known, err := c.Store.Versions(ctx, consumer.Subjects(news.Causes))
	if err != nil {
		return News[T]{}, err
	}
	behind := consumer.Behind(news.Causes, known)
	things, err := c.Get(ctx, behind)
	unfit, err := Refused(err)
	if err != nil {
		return News[T]{}, err
	}
	found := make(map[string]T, len(things))
	for _, thing := range things {
		id := c.Named(thing).Subject
		if found[id], err = c.Copy(thing); err != nil {
			unfit[id] = err
		}
	}
	for _, id := range behind {
		own, exists := found[id]
		switch {
		case unfit[id] != nil:
		case exists:
			news.Found = append(news.Found, own)
		default:
			news.Gone = append(news.Gone, id)
		}
	}
	if len(unfit) > 0 {
		return news, unfit
	}
	return news, nil
}

// Refused returns the things that an owner refuses, for Fetch of a handler: err is that of
// restclient.ByKeys. Any other error is returned as it is. The result is never nil.
func Refused(err error) (consumer.Unfit, error) {
	unfit := consumer.Unfit{}
	var refused restclient.Refused
	if errors.As(err, &refused) {
		maps.Copy(unfit, refused)
		return unfit, nil
	}
	return unfit, err
}

// Apply stores the owner's response.
func (c *Copies[Theirs, T]) Apply(ctx context.Context, tx consumer.Tx, _ []events.Event, news News[T]) error {
	if len(news.Found)+len(news.Gone) == 0 {
		return nil
	}
	return c.Store.Keep(ctx, tx, news)
}

// Versions implements consumer.Versioner.
func (c *Copies[Theirs, T]) Versions(ctx context.Context, ids []string) (map[string]int64, error) {
	return c.Store.Versions(ctx, ids)
}

// List returns an event for each thing of the owner and, with Gone, for each copy of a thing
// that the owner no longer has.
func (c *Copies[Theirs, T]) List(ctx context.Context) iter.Seq2[events.Event, error] {
	things := consumer.Named(c.All(ctx), c.Named)
	if c.Gone == nil {
		return things
	}
	return consumer.Gone(things, func() (map[string]int64, error) { return c.Store.Versions(ctx, nil) }, c.Gone)
}
