package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"quadrille/pkg/events"
)

// Unfit is an error of Fetch that names the subjects that failed for their own sake. The
// fetched value must be valid for all other subjects of the batch, which are then applied.
// A handler that cannot tell which subjects failed returns another error; the consumer then
// halves the batch until it knows.
type Unfit map[string]error

// Error names the number of subjects and one of the errors.
func (u Unfit) Error() string {
	for subject, err := range u {
		return fmt.Sprintf("%d subjects failed, among them %q: %v", len(u), subject, err)
	}
	return "no subject failed"
}

// fetched is the result of calling back for a batch: what to apply, and what failed.
type fetched struct {
	parts []part
	done  map[int]bool // indexes of the events in parts
	unfit Unfit
	last  int // number of events in the call that failed for a transient reason
}

// part is a number of events that one call of Fetch succeeded for.
type part struct {
	batch []events.Event
	write apply
}

// keep adds the events of a successful call of Fetch.
func (f *fetched) keep(batch []indexed, write apply) {
	if len(batch) == 0 {
		return
	}
	for _, e := range batch {
		f.done[e.index] = true
	}
	f.parts = append(f.parts, part{eventsOf(batch), write})
}

// apply writes the effect of all parts within tx.
func (f *fetched) apply(ctx context.Context, tx Tx) error {
	for _, p := range f.parts {
		if err := p.write(ctx, tx, p.batch); err != nil {
			return err
		}
	}
	return nil
}

// indexed is an event with its index in the batch.
type indexed struct {
	index int
	event events.Event
}

func eventsOf(batch []indexed) []events.Event {
	all := make([]events.Event, len(batch))
	for i, e := range batch {
		all[i] = e.event
	}
	return all
}

// probe calls back for events and finds the subjects that are unfit, with as few calls as it
// can. After an event of a subject that is unfit it handles no event of the subject. No
// transaction is open. It returns an error only if that is transient.
func (c *Consumer) probe(ctx context.Context, batch []events.Event) (*fetched, error) {
	found := &fetched{unfit: Unfit{}, done: make(map[int]bool, len(batch))}
	all := make([]indexed, len(batch))
	for i, e := range batch {
		all[i] = indexed{i, e}
	}
	err := c.probeInto(ctx, all, found)
	if err == nil && len(found.parts) > mergeAbove {
		c.merge(ctx, all, found)
	}
	return found, err
}

// mergeAbove is the number of parts above which one more call-back for all of them costs less
// than to apply each by itself.
const mergeAbove = 3

// merge replaces the parts by one, if one call-back succeeds for all of them.
func (c *Consumer) merge(ctx context.Context, all []indexed, found *fetched) {
	fit := make([]indexed, 0, len(all))
	for _, e := range all {
		if found.done[e.index] {
			fit = append(fit, e)
		}
	}
	if write, err := c.tryFetch(ctx, eventsOf(fit)); err == nil {
		found.parts = []part{{eventsOf(fit), write}}
	}
}

func (c *Consumer) probeInto(ctx context.Context, batch []indexed, found *fetched) error {
	batch = without(batch, found.unfit)
	if len(batch) == 0 {
		return nil
	}
	all := eventsOf(batch)
	write, err := c.tryFetch(ctx, all)
	var unfit Unfit
	switch {
	case err == nil:
		found.keep(batch, write)
		return nil
	case ctx.Err() != nil || Transient(err):
		found.last = len(batch)
		return err
	case errors.As(err, &unfit) && len(unfit) > 0:
		maps.Copy(found.unfit, unfit)
		found.keep(without(batch, found.unfit), write)
		return nil
	case len(Newest(all)) == 1:
		found.unfit[all[0].Subject] = err
		return nil
	}
	half := len(batch) / 2
	if err := c.probeInto(ctx, batch[:half], found); err != nil {
		return err
	}
	return c.probeInto(ctx, batch[half:], found)
}

func (c *Consumer) tryFetch(ctx context.Context, batch []events.Event) (_ apply, err error) {
	defer recovered(&err)
	return c.fetch(ctx, batch)
}

// without returns the events whose subject is not unfit.
func without(batch []indexed, unfit Unfit) []indexed {
	if len(unfit) == 0 {
		return batch
	}
	fit := make([]indexed, 0, len(batch))
	for _, e := range batch {
		if _, is := unfit[e.event.Subject]; !is {
			fit = append(fit, e)
		}
	}
	return fit
}
