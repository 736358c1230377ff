package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// process handles deliveries. Events that took effect before share no batch with new ones.
func (c *Consumer) process(ctx context.Context, deliveries []bus.Delivery) error {
	if c.ordered() {
		return c.processNew(ctx, deliveries)
	}
	fresh := slices.IndexFunc(deliveries, func(d bus.Delivery) bool { return d.Offset > c.at.seen })
	if fresh < 0 {
		fresh = len(deliveries)
	}
	if err := c.bisect(withReplay(ctx), deliveries[:fresh]); err != nil {
		return err
	}
	return c.bisect(ctx, deliveries[fresh:])
}

// processNew handles the new events among deliveries in order, and moves the position past
// those that took effect before, and past doubles.
func (c *Consumer) processNew(ctx context.Context, deliveries []bus.Delivery) error {
	double := c.doubles.among(deliveries)
	for len(deliveries) > 0 {
		n, before, rest := c.leading(deliveries, double)
		var err error
		switch some := deliveries[:n]; {
		case before:
			to := c.after(some)
			to.recent, to.resume = c.at.recent, rest.encode()
			err = c.commit(ctx, to, func(Tx) error { return nil })
		case c.kind == Effects:
			c.at.resume = rest.encode() // written by the next commit
			err = c.actAll(ctx, some)
		default:
			c.at.resume = rest.encode()
			err = c.bisect(ctx, some)
		}
		if err != nil {
			return err
		}
		c.doubles.add(deliveries[:n])
		deliveries = deliveries[n:]
	}
	return nil
}

// leading returns the number of first deliveries that all took effect before, or are all new,
// and the mark after them. double has the offsets of doubles, which took effect before.
func (c *Consumer) leading(deliveries []bus.Delivery, double map[int64]bool) (n int, before bool, rest *mark) {
	rest = decodeMark(c.at.resume)
	for i, d := range deliveries {
		took, next := d.Offset <= c.at.seen || double[d.Offset], rest
		if !took && rest != nil {
			took, next = rest.tookEffect(d)
		}
		if i > 0 && took != before {
			return i, before, rest
		}
		before, rest = took, next
	}
	return len(deliveries), before, rest
}

// bisect handles deliveries as one batch. If Apply fails for a reason of an event, it
// halves the batch until the failing event is alone, and continues with the rest.
func (c *Consumer) bisect(ctx context.Context, deliveries []bus.Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	if n := c.narrow; n > 0 && n < len(deliveries) {
		if err := c.bisect(ctx, deliveries[:n]); err != nil {
			return err
		}
		return c.bisect(ctx, deliveries[n:])
	}
	err := c.attempt(ctx, deliveries)
	if err == nil || ctx.Err() != nil || Transient(err) {
		return err
	}
	if len(deliveries) == 1 {
		return c.park(ctx, deliveries, err)
	}
	half := len(deliveries) / 2
	if err := c.bisect(ctx, deliveries[:half]); err != nil {
		return err
	}
	return c.bisect(ctx, deliveries[half:])
}

// PointApplied is the point at which a batch's effect and position are written but not
// committed. Config.Hook is called there.
const PointApplied = "applied"

// attempt handles deliveries once and commits their effect with the new position. Events
// that cannot be decoded, that are unfit in Fetch, or that have to wait for a letter of
// their subject become letters in the same transaction.
func (c *Consumer) attempt(ctx context.Context, deliveries []bus.Delivery) (err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	b, err := c.sort(ctx, deliveries)
	if err != nil {
		return err
	}
	found, failed := c.probe(ctx, b.events())
	if failed != nil {
		narrow, n := b.reach(found.last), b.upTo(found)
		if n == 0 {
			c.narrow = narrow
			return failed
		}
		deliveries = deliveries[:n] // so that the next attempt has less to find out
	}
	letters := slices.Concat(b.letters, c.unfitLetters(b.fit, found))
	err = c.commit(ctx, c.after(deliveries), func(tx Tx) error {
		if err := found.apply(ctx, tx); err != nil {
			return err
		}
		return c.writeLetters(tx, letters, found)
	})
	if err != nil {
		return err
	}
	c.narrow = 0
	c.setAside(letters)
	return failed
}

// recovered turns a panic of the handler into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &panicError{value: p, stack: debug.Stack()}
	}
}

// panicError is a panic of the handler. The stack is for the log.
type panicError struct {
	value any
	stack []byte
}

// Error returns the panic's value without its stack.
func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }

// after returns the position after deliveries. Events of a resynchronisation lie in no
// stream and move nothing.
func (c *Consumer) after(deliveries []bus.Delivery) checkpoint {
	to := c.at
	if last := deliveries[len(deliveries)-1]; last.Offset != bus.BeforeFirst {
		to.at = bus.Position{Offset: last.Offset, ID: last.ID}
		to.seen = max(to.seen, last.Offset)
	}
	if c.ordered() {
		to.recent = recentAfter(to.recent, deliveries)
	}
	return to
}

// commit moves the position and applies the effect in one transaction. The position moves
// first, so that a second instance conflicts before it writes anything else.
func (c *Consumer) commit(ctx context.Context, to checkpoint, apply func(Tx) error) error {
	err := dbtx.Run(c.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		if err := c.movePosition(tx, c.at, to); err != nil {
			return err
		}
		err := apply(tx)
		c.cfg.Hook(PointApplied)
		return err
	})
	if err != nil && !errors.Is(err, errFenced) {
		return fmt.Errorf("commit batch: %w", err)
	}
	if err != nil {
		return err
	}
	c.at = to
	c.recordCommit()
	c.cfg.OnCommit()
	return nil
}

// handles reports whether the consumer handles events of a type.
func (c *Consumer) handles(kind string) bool {
	return c.cfg.Types == nil || slices.Contains(c.cfg.Types, kind)
}

// received is an event with the delivery that contained it.
type received struct {
	index    int // among the deliveries
	event    events.Event
	delivery bus.Delivery
}

// sorted divides deliveries by what has to be done with them.
type sorted struct {
	fit     []received // to be handled
	letters []letter   // not to be handled
}

func (b *sorted) events() []events.Event {
	all := make([]events.Event, len(b.fit))
	for i, r := range b.fit {
		all[i] = r.event
	}
	return all
}

// sort decodes deliveries and skips events of other types. What cannot be decoded becomes an
// open letter; an event whose subject has a letter that it must wait for joins that letter.
func (c *Consumer) sort(ctx context.Context, deliveries []bus.Delivery) (b sorted, err error) {
	all := make([]received, 0, len(deliveries))
	for i, d := range deliveries {
		e, err := events.Decode(d.Body)
		switch {
		case err != nil:
			b.letters = append(b.letters, c.undecodable(i, d, err))
		case c.handles(e.Type):
			all = append(all, received{i, e, d})
		}
	}
	waits, err := c.stuck.waits(ctx, c, all)
	if err != nil || len(waits) == 0 {
		b.fit = all
		return b, err
	}
	for _, r := range all {
		if sequence, must := waits[deadletter.Key(r.event.Subject)]; must {
			b.letters = append(b.letters, c.untried(r, sequence.Length))
		} else {
			b.fit = append(b.fit, r)
		}
	}
	return b, nil
}

// upTo cuts b before the first event that a call-back neither fetched nor found unfit, and
// returns the number of deliveries before it.
func (b *sorted) upTo(found *fetched) int {
	first := 0
	for first < len(b.fit) && (found.done[first] || found.unfit[b.fit[first].event.Subject] != nil) {
		first++
	}
	if first == len(b.fit) {
		return 0 // nothing is unknown: the failure belongs to the whole batch
	}
	n := b.fit[first].index
	b.fit = b.fit[:first]
	b.letters = slices.DeleteFunc(b.letters, func(l letter) bool { return l.index >= n })
	return n
}

// reach returns the number of deliveries that contain the first n events, 0 for all.
func (b *sorted) reach(n int) int {
	if n == 0 || n >= len(b.fit) {
		return 0
	}
	return b.fit[n-1].index + 1
}

// unfitLetters returns the letters of the events that were not handled because their
// subjects are unfit.
func (c *Consumer) unfitLetters(fit []received, found *fetched) (letters []letter) {
	if len(found.unfit) == 0 {
		return nil
	}
	heads := map[string]bool{}
	for i, r := range fit {
		subject := r.event.Subject
		switch {
		case found.done[i]:
		case c.ordered() && heads[subject]:
			letters = append(letters, c.untried(r, 0))
		default:
			heads[subject] = true
			letters = append(letters, c.failed(r, found.unfit[subject]))
		}
	}
	return letters
}
