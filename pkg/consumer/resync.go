package consumer

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
)

// resync replaces lost events by the owner's lists: it handles an event for each listed
// thing, then moves the position before the first event of the new history. If it is
// interrupted it starts again; things handled before need no second call-back. A consumer
// that is not converging uses no list. It marks where it was, to skip the events of the new
// history that took effect before.
func (c *Consumer) resync(ctx context.Context) error {
	c.unsubscribe()
	var err error
	if c.at, err = c.load(ctx); err != nil {
		return err
	}
	if err = c.stuck.load(ctx, c); err != nil {
		return err
	}
	things := 0
	if c.list != nil {
		if things, err = c.processList(ctx); err != nil {
			return fmt.Errorf("resynchronise: %w", err)
		}
	}
	err = dbtx.Run(c.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		return c.forgetPosition(tx, c.at)
	})
	if err != nil {
		return fmt.Errorf("resynchronise: %w", err)
	}
	c.recordResync()
	c.cfg.Log.Info("resynchronised; continuing at the new history's first event", "things_listed", things)
	return nil
}

// processList handles an event for each thing that the owner lists, in batches.
func (c *Consumer) processList(ctx context.Context) (things int, err error) {
	named := make([]bus.Delivery, 0, c.cfg.Batch)
	flush := func() error {
		things += len(named)
		err := c.bisect(ctx, named)
		named = named[:0]
		c.recordListed(things)
		return err
	}
	for e, err := range c.list(ctx) {
		if err != nil {
			return things, err
		}
		body, err := e.Encode()
		if err != nil {
			return things, fmt.Errorf("encode event of %s: %w", e.Subject, err)
		}
		named = append(named, bus.Delivery{Offset: bus.BeforeFirst, ID: e.ID, Body: body})
		if len(named) == cap(named) {
			if err := flush(); err != nil {
				return things, err
			}
		}
	}
	return things, flush()
}
