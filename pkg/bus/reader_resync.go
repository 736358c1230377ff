package bus

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
)

// resync brings the subscriber up to date without the events that are gone: it
// takes whatever the owner has as if it had been told of now, and then stands
// before the first event of the new history. Interrupted, it begins anew; what it
// took already needs no second call-back.
func (r *Reader) resync(ctx context.Context) error {
	r.unsubscribe()
	var err error
	if r.at, err = loadPlace(ctx, r.cfg.DB, r.cfg.Subscriber, r.cfg.Stream); err != nil {
		return err
	}
	things := 0
	if r.list != nil {
		if things, err = r.takeList(ctx); err != nil {
			return fmt.Errorf("resynchronise: %w", err)
		}
	}
	err = dbtx.Run(r.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		return forgetPosition(tx, r.cfg.Subscriber, r.cfg.Stream, r.at.at)
	})
	if err != nil {
		return fmt.Errorf("resynchronise: %w", err)
	}
	r.resynced()
	r.cfg.Log.Info("resynchronised with the owner; reading the new history from its first event", "things", things)
	return nil
}

// takeList takes all that the owner has, a batch at a time.
func (r *Reader) takeList(ctx context.Context) (things int, err error) {
	named := make([]Delivery, 0, r.cfg.Batch)
	take := func() error {
		things += len(named)
		err := r.settle(ctx, named)
		named = named[:0]
		r.progress(things)
		return err
	}
	for e, err := range r.list(ctx) {
		if err != nil {
			return things, err
		}
		body, err := e.Encode()
		if err != nil {
			return things, fmt.Errorf("name %s: %w", e.Subject, err)
		}
		named = append(named, Delivery{Offset: beforeFirst, ID: e.ID, Body: body})
		if len(named) == cap(named) {
			if err := take(); err != nil {
				return things, err
			}
		}
	}
	return things, take()
}
