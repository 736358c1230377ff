package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"quadrille/pkg/events"
)

// Kinds of consumers. They differ in what happens to events of a subject after one of its
// events failed, and in what happens to events that are not new.
const (
	Converging = "converging"
	InOrder    = "in_order"
	Effects    = "effects"
)

// NewConverging returns a consumer for state: copies of what others own, and decisions that
// depend on the newest version of a subject alone.
//
// An event that fails is set aside. While the consumer retries it, later events of its subject
// are retried with it; when it waits for a person, they are handled as they come. When a
// version of a subject was handled, its letters of the same or an older version are closed as
// overtaken, in the same transaction. Events that are read again, in a replay or after the
// history was replaced, are handled again: Apply must be idempotent by subject and version.
func NewConverging[F any](cfg Config, h Handler[F]) (*Consumer, error) {
	c, err := newConsumer(cfg, Converging)
	if err != nil {
		return nil, err
	}
	c.fetch = fetchBy(h)
	if l, ok := h.(Lister); ok {
		c.list = l.List
	}
	if v, ok := h.(Versioner); ok {
		c.versions = v.Versions
	}
	return c, nil
}

// NewInOrder returns a consumer for effects that are rows in its own database, such as mail
// to be sent by a worker. Each effect takes place once: its rows, the position and letters
// commit in one transaction.
//
// While a letter of a subject is unclosed, later events of the subject go behind it, untried.
// When it was retried or discarded, they are handled in order, up to the next failure. No
// other subject waits. A sequence holds at most Config.MaxSequence letters: later events of
// the subject are stored as discarded letters.
//
// Events that took effect before are not handled again in a replay, a rebuild or after the
// history was replaced. A message that the log has twice, because its relay ended before it
// recorded a batch as sent, is handled once unless 2,000 other messages lie in between. Events from before the consumer's first start are not handled unless
// Config.FromStart is set. A Lister's list is not used: a list says what exists, not what
// happened.
func NewInOrder[F any](cfg Config, h Handler[F]) (*Consumer, error) {
	c, err := newConsumer(cfg, InOrder)
	if err != nil {
		return nil, err
	}
	c.fetch = fetchBy(h)
	return c, nil
}

// Guarantee says what happens to an effect outside the database when the process ends, or
// loses its database, between the effect and the commit of its position.
type Guarantee int

const (
	// AtLeastOnce commits after the effect. An effect is repeated if the process ends after
	// it and before the commit. Use it for effects that their receiver can recognise, such
	// as requests with an idempotency key.
	AtLeastOnce Guarantee = iota + 1
	// AtMostOnce commits before the effect. If the process ends between the two, the effect
	// may or may not have been made: the letter of the event becomes open, and a person
	// decides. An error of the effect that is not Transient has the same result, since the
	// effect may have been made in spite of it; so has any error after the attempt's context
	// has ended. Another Transient error must mean that nothing was done.
	AtMostOnce
)

// Act makes the effect of one event outside the database. An error that is Transient is
// retried without limit, any other as described at NewInOrder and Guarantee.
type Act func(ctx context.Context, e events.Event) error

// NewEffects returns a consumer that calls act for each event, one at a time, with no
// transaction open. It treats subjects, replays and the past like NewInOrder.
func NewEffects(cfg Config, g Guarantee, act Act) (*Consumer, error) {
	if act == nil || g != AtLeastOnce && g != AtMostOnce {
		return nil, errors.New("consumer: effects need a function and a guarantee, AtLeastOnce or AtMostOnce")
	}
	c, err := newConsumer(cfg, Effects)
	if err != nil {
		return nil, err
	}
	c.act, c.guarantee = act, g
	return c, nil
}

// ordered reports whether events of one subject wait for each other.
func (c *Consumer) ordered() bool { return c.kind != Converging }

// fetch calls back for a batch and returns the function that applies its effect. With an
// Unfit error, apply is valid for the batch without the unfit subjects.
type fetch func(ctx context.Context, batch []events.Event) (apply, error)

// apply writes the effect of a batch within tx.
type apply func(ctx context.Context, tx Tx, batch []events.Event) error

func fetchBy[F any](h Handler[F]) fetch {
	return func(ctx context.Context, batch []events.Event) (apply, error) {
		fetched, err := h.Fetch(ctx, batch)
		if err != nil {
			err = fmt.Errorf("fetch: %w", err)
		}
		return func(ctx context.Context, tx Tx, batch []events.Event) error {
			if err := h.Apply(ctx, tx, batch, fetched); err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			return nil
		}, err
	}
}

// list iterates over the owner's things; see Lister.
type list func(ctx context.Context) iter.Seq2[events.Event, error]
