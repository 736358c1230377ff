package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// letter is a letter to be written with the position.
type letter struct {
	deadletter.Letter

	index int // of the delivery
	ahead int // letters of its subject that were unclosed before the batch
	cause error
}

// newLetter returns an open letter. The event of r is empty if it cannot be decoded.
func (c *Consumer) newLetter(r received, cause error) letter {
	now, d, e := time.Now().UTC(), r.delivery, r.event
	l := letter{index: r.index, cause: cause, Letter: deadletter.Letter{
		Subscriber: c.cfg.Subscriber, Stream: c.cfg.Stream, Position: d.Offset, EventID: d.ID, Body: d.Body,
		State: deadletter.Open, FirstAt: now, LastAt: now,
	}}
	if e.ID != "" {
		l.EventID, l.Type, l.Subject, l.Version = e.ID, e.Type, e.Subject, e.Version
	}
	if cause != nil {
		l.Error, l.Attempts = deadletter.Text(cause), 1
	}
	return l
}

// undecodable returns the letter of a message that is no event. No retry can succeed, so the
// letter waits for a person at once.
func (c *Consumer) undecodable(index int, d bus.Delivery, cause error) letter {
	return c.newLetter(received{index: index, delivery: d}, fmt.Errorf("event at offset %d: %w", d.Offset, cause))
}

// failed returns the letter of an event after the first attempt.
func (c *Consumer) failed(r received, cause error) letter {
	l := c.newLetter(r, cause)
	if next := c.nextAttempt(1); next != nil {
		l.State, l.NextAt = deadletter.Parked, next
	}
	return l
}

// untried returns the letter of an event that joins a sequence of so many letters. A
// converging consumer tries it together with the letters that are parked; it may be the one
// that overtakes them.
func (c *Consumer) untried(r received, ahead int) letter {
	l := c.newLetter(r, nil)
	l.ahead = ahead
	if c.ordered() {
		l.State = deadletter.Behind
	} else {
		l.State, l.NextAt = deadletter.Parked, new(time.Now().Add(c.cfg.RetryPause))
	}
	return l
}

// maxRetryPause bounds the pause between two attempts at a letter.
const maxRetryPause = 10 * time.Minute

// nextAttempt returns the time of the next attempt after so many, or nil if there is none.
func (c *Consumer) nextAttempt(attempts int) *time.Time {
	if attempts >= c.cfg.MaxAttempts {
		return nil
	}
	return new(time.Now().Add(min(c.cfg.RetryPause<<min(attempts-1, 20), maxRetryPause)))
}

// writeLetters writes letters within tx, the transaction that moves the position past their
// events, and closes the letters that the handled events overtake.
func (c *Consumer) writeLetters(tx Tx, letters []letter, found *fetched) error {
	if found != nil && !c.ordered() {
		if err := c.letters().Overtake(tx, c.stuck.among(found)); err != nil {
			return err
		}
	}
	if len(letters) == 0 {
		return nil
	}
	c.boundSequences(letters)
	rows := make([]deadletter.Letter, len(letters))
	for i, l := range letters {
		rows[i] = l.Letter
	}
	return deadletter.Put(tx, rows...)
}

// boundSequences discards the letters that are beyond MaxSequence.
func (c *Consumer) boundSequences(letters []letter) {
	length := map[string]int{}
	for i := range letters {
		l := &letters[i]
		subject := deadletter.Key(l.Subject)
		length[subject] = max(length[subject], l.ahead)
		if l.State == deadletter.Behind && length[subject] >= c.cfg.MaxSequence {
			l.State, l.ClosedAt = deadletter.Discarded, new(time.Now().UTC())
			l.Reason = fmt.Sprintf("the sequence of the subject was full: %d events wait already", c.cfg.MaxSequence)
			continue
		}
		length[subject]++
	}
}

// setAside remembers the subjects of letters that were written, wakes the retries and logs.
func (c *Consumer) setAside(letters []letter) {
	if len(letters) == 0 {
		return
	}
	var failed, full int
	var first *letter
	for i, l := range letters {
		c.stuck.add(l.Subject)
		if l.cause != nil {
			failed++
			if first == nil {
				first = &letters[i]
			}
		}
		switch l.State {
		case deadletter.Discarded:
			full++
		case deadletter.Parked:
			c.wakeRetries()
		}
	}
	if full > 0 {
		c.cfg.Log.Error("sequences of dead letters are full; later events of their subjects are discarded", "events", full, "max_sequence", c.cfg.MaxSequence)
	}
	if first == nil {
		return
	}
	attrs := []any{
		"events", failed, "offset", first.Position, "event", first.EventID, "type", first.Type, "subject", first.Subject,
		"state", first.State, "error", first.Error,
	}
	c.cfg.Log.Warn("events failed and were set aside", append(attrs, stackOf(first.cause)...)...)
}

// stackOf returns the log attribute with the stack of a panic.
func stackOf(cause error) []any {
	var panicked *panicError
	if errors.As(cause, &panicked) {
		return []any{"stack", string(panicked.stack)}
	}
	return nil
}

// park moves the position past one event that failed in Apply, and keeps the event as a
// letter in the same transaction.
func (c *Consumer) park(ctx context.Context, one []bus.Delivery, cause error) error {
	r := received{delivery: one[0]}
	r.event, _ = events.Decode(one[0].Body) // it was decoded before: this failed in Apply
	return c.commitLetters(ctx, one, []letter{c.failed(r, cause)})
}

// commitLetters moves the position past one event that becomes a letter.
func (c *Consumer) commitLetters(ctx context.Context, one []bus.Delivery, letters []letter) error {
	err := c.commit(ctx, c.after(one), func(tx Tx) error { return c.writeLetters(tx, letters, nil) })
	if err == nil {
		c.setAside(letters)
	}
	return err
}

// maxStuck bounds the subjects that a consumer remembers.
const maxStuck = 10_000

// stuck remembers the subjects that may have unclosed letters, so that events of all others
// need no query. Only the consumer that moves the position adds letters, so no subject is
// missing; it may contain subjects whose letters were closed.
type stuck struct {
	subjects map[string]known
	many     bool // more subjects than maxStuck: each batch is looked up
}

// known is the sequence of a subject as of a query.
type known struct {
	at       time.Time // zero: it was not looked up
	changes  int64     // Consumer.changes before the query
	sequence deadletter.Sequence
}

// load reads the subjects from the database.
func (s *stuck) load(ctx context.Context, c *Consumer) error {
	found, err := c.letters().Subjects(ctx, c.cfg.DB, maxStuck+1)
	if err != nil {
		return err
	}
	*s = stuck{subjects: make(map[string]known, len(found)), many: len(found) > maxStuck}
	for _, subject := range found {
		s.subjects[subject] = known{}
	}
	if len(found) > 0 {
		c.wakeRetries()
	}
	return nil
}

// add records a letter of a subject.
func (s *stuck) add(subject string) {
	if subject == "" {
		return
	}
	key := deadletter.Key(subject)
	k, has := s.subjects[key]
	if !has && len(s.subjects) >= maxStuck {
		s.many = true
		return
	}
	if !k.at.IsZero() {
		k.sequence.Length++
		k.sequence.Retrying = true
	}
	s.subjects[key] = k
}

func (s *stuck) remove(subject string) { delete(s.subjects, deadletter.Key(subject)) }

func (s *stuck) may(subject string) bool {
	_, has := s.subjects[deadletter.Key(subject)]
	return s.many || has
}

// among returns the versions of the handled subjects that may have letters.
func (s *stuck) among(found *fetched) map[string]int64 {
	if len(s.subjects) == 0 && !s.many {
		return nil
	}
	versions := map[string]int64{}
	for _, p := range found.parts {
		for _, e := range p.batch {
			if s.may(e.Subject) {
				key := deadletter.Key(e.Subject)
				versions[key] = max(versions[key], e.Version)
			}
		}
	}
	return versions
}

// waits returns the sequences that events have to join: for a consumer in order those of all
// unclosed letters, for a converging one those that are being retried. They are looked up
// again after a retry, and when they are older than IdleCheck. A letter that joins a sequence
// while the head is closed is adopted by the retries.
func (s *stuck) waits(ctx context.Context, c *Consumer, all []received) (map[string]deadletter.Sequence, error) {
	if len(s.subjects) == 0 && !s.many {
		return nil, nil
	}
	if err := s.refresh(ctx, c, all); err != nil {
		return nil, err
	}
	waits := map[string]deadletter.Sequence{}
	for _, r := range all {
		key := deadletter.Key(r.event.Subject)
		if k, has := s.subjects[key]; has && (c.ordered() || k.sequence.Retrying) {
			waits[key] = k.sequence
		}
	}
	return waits, nil
}

// refresh looks up the sequences of events whose subject may have one, and forgets subjects
// without one.
func (s *stuck) refresh(ctx context.Context, c *Consumer, all []received) error {
	now, changes := time.Now(), c.changes.Load()
	asked := map[string]bool{}
	var subjects []string
	for _, r := range all {
		key := deadletter.Key(r.event.Subject)
		k, has := s.subjects[key]
		if !asked[key] && (has || s.many) && (k.changes != changes || now.Sub(k.at) >= c.cfg.IdleCheck) {
			asked[key] = true
			subjects = append(subjects, key)
		}
	}
	found, err := c.letters().Sequences(ctx, c.cfg.DB, subjects)
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		if sequence, has := found[subject]; has {
			s.subjects[subject] = known{at: now, changes: changes, sequence: sequence}
		} else {
			delete(s.subjects, subject)
		}
	}
	return nil
}
