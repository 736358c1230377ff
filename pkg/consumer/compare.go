package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// Versioner is a Lister that knows which versions it keeps.
type Versioner interface {
	Lister
	// Versions returns the versions of what is kept about the subjects, keyed by subject. It
	// omits subjects about which nothing is kept.
	Versions(ctx context.Context, subjects []string) (map[string]int64, error)
}

// Comparison is the result of Compare.
type Comparison struct {
	Stream   string
	Listed   int   // things of the owner, and copies of things that it no longer has
	Missing  int   // things without a copy
	Outdated int   // copies that are older than the thing, or whose thing is gone
	Repaired int   // of those, the ones that were handled
	Refused  Unfit // of those, the ones that failed for their own sake
}

// String returns the numbers in words.
func (c Comparison) String() string {
	text := fmt.Sprintf("%s: %d compared, %d missing, %d outdated, %d repaired", c.Stream, c.Listed, c.Missing, c.Outdated, c.Repaired)
	if len(c.Refused) > 0 {
		text += fmt.Sprintf(", %d refused", len(c.Refused))
	}
	return text
}

// Comparable reports whether Compare works: the consumer is converging, and its handler is a
// Versioner.
func (c *Consumer) Comparable() bool { return c.versions != nil }

const (
	// compareBatch bounds the differences that are looked at again together.
	compareBatch = 5000
	// compareGrace is the time in which an event that is under way arrives. What differs for
	// longer is a difference.
	compareGrace = 3 * time.Second
	// compareWaits bounds, in times of compareGrace, the wait for a consumer that is behind.
	compareWaits = 20
)

// Compare compares what the handler keeps with the lists of the owner, and repairs what
// differs through Fetch and Apply. transact runs work in a transaction and commits it. It is
// safe beside a running consumer: the position does not move, and an older version never
// replaces a newer one. A thing that changes during the comparison is no difference: its event
// may be under way.
func (c *Consumer) Compare(ctx context.Context, transact func(ctx context.Context, work func(Tx) error) error) (Comparison, error) {
	found := Comparison{Stream: c.cfg.Stream, Refused: Unfit{}}
	if !c.Comparable() {
		return found, errors.New("compare: the handler does not list what it keeps, with versions")
	}
	var batch []events.Event
	suspects := suspects{kept: map[string]bool{}}
	sift := func() error {
		behind, known, err := c.behind(ctx, batch)
		suspects.add(behind, known)
		batch = batch[:0]
		return err
	}
	for e, err := range c.list(ctx) {
		if err != nil {
			return found, fmt.Errorf("compare: list %s: %w", c.cfg.Stream, err)
		}
		found.Listed++
		if batch = append(batch, e); len(batch) < c.cfg.Batch {
			continue
		}
		if err := sift(); err != nil {
			return found, err
		}
		if len(suspects.events) >= compareBatch {
			if err := c.repair(ctx, suspects, transact, &found); err != nil {
				return found, err
			}
			suspects.clear()
		}
	}
	if err := sift(); err != nil {
		return found, err
	}
	return found, c.repair(ctx, suspects, transact, &found)
}

// suspects are events about things that were behind at the first look.
type suspects struct {
	events []events.Event
	kept   map[string]bool // the subjects that were kept then, in an older version
}

func (s *suspects) add(behind []events.Event, known map[string]int64) {
	s.events = append(s.events, behind...)
	for _, e := range behind {
		if _, kept := known[e.Subject]; kept {
			s.kept[e.Subject] = true
		}
	}
}

func (s *suspects) clear() {
	s.events = s.events[:0]
	clear(s.kept)
}

// behind returns the events about things that are kept in an older version, or not at all,
// and the versions of what is kept.
func (c *Consumer) behind(ctx context.Context, batch []events.Event) (behind []events.Event, known map[string]int64, err error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	newest := Newest(batch)
	if known, err = c.versions(ctx, Subjects(newest)); err != nil {
		return nil, nil, fmt.Errorf("compare: %w", err)
	}
	for _, subject := range Behind(newest, known) {
		behind = append(behind, newest[subject])
	}
	return behind, known, nil
}

// caughtUp waits until the consumer has handled the events that the stream holds now. It
// returns an error if that takes too long: the events cannot be told from lost ones before.
func (c *Consumer) caughtUp(ctx context.Context) error {
	end, err := c.cfg.Bus.End(ctx, c.cfg.Stream)
	if err != nil {
		return fmt.Errorf("compare: find the end of %s: %w", c.cfg.Stream, err)
	}
	for range compareWaits {
		p, err := c.load(ctx)
		if err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		if p.at.LastOffset() >= end.LastOffset() {
			return nil
		}
		if sleep(ctx, c.cfg.CompareGrace); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("compare: the consumer of %s is behind; run the task again when it has caught up", c.cfg.Stream)
}

// repair handles the suspects that are still behind after compareGrace, when the consumer has
// caught up. A copy that has gone since the first look was removed by the consumer.
func (c *Consumer) repair(ctx context.Context, s suspects, transact func(context.Context, func(Tx) error) error, found *Comparison) error {
	if len(s.events) == 0 {
		return nil
	}
	sleep(ctx, c.cfg.CompareGrace)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := c.caughtUp(ctx); err != nil {
		return err
	}
	for start := 0; start < len(s.events) && ctx.Err() == nil; start += c.cfg.Batch {
		batch, known, err := c.behind(ctx, s.events[start:min(start+c.cfg.Batch, len(s.events))])
		if err != nil {
			return err
		}
		batch = slices.DeleteFunc(batch, func(e events.Event) bool {
			_, kept := known[e.Subject]
			return !kept && s.kept[e.Subject]
		})
		for _, e := range batch {
			if _, kept := known[e.Subject]; kept {
				found.Outdated++
			} else {
				found.Missing++
			}
		}
		if err := c.repairBatch(ctx, batch, transact, found); err != nil {
			return fmt.Errorf("compare: repair %s: %w", c.cfg.Stream, err)
		}
	}
	return context.Cause(ctx)
}

// repairBatch handles a batch of differences. If Apply fails for a reason of a thing, it halves
// the batch until the thing is alone, and continues with the rest.
func (c *Consumer) repairBatch(ctx context.Context, batch []events.Event, transact func(context.Context, func(Tx) error) error, found *Comparison) error {
	if len(batch) == 0 {
		return nil
	}
	fetched, err := c.probe(ctx, batch)
	if err != nil {
		return err
	}
	maps.Copy(found.Refused, fetched.unfit)
	versions := map[string]int64{}
	var fit []events.Event
	for _, p := range fetched.parts {
		for _, e := range p.batch {
			versions[deadletter.Key(e.Subject)] = e.Version
			fit = append(fit, e)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	var own error // of the things, and not of the transaction
	err = transact(ctx, func(tx Tx) error {
		own = c.applyRepair(ctx, tx, fetched, versions)
		return own
	})
	switch {
	case err == nil:
		found.Repaired += len(fit)
		c.retried()
		return nil
	case own == nil || ctx.Err() != nil || Transient(own):
		return err
	case len(fit) == 1:
		found.Refused[fit[0].Subject] = own
		return nil
	}
	half := len(fit) / 2
	if err := c.repairBatch(ctx, fit[:half], transact, found); err != nil {
		return err
	}
	return c.repairBatch(ctx, fit[half:], transact, found)
}

// applyRepair writes what was fetched within tx, and closes the letters that it overtakes.
func (c *Consumer) applyRepair(ctx context.Context, tx Tx, fetched *fetched, versions map[string]int64) (err error) {
	defer recovered(&err)
	if err := fetched.apply(ctx, tx); err != nil {
		return err
	}
	return c.letters().Overtake(tx, versions)
}
