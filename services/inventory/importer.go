package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// importer works off uploaded files in the background, a batch of records a
// transaction, and goes on after a restart where it was.
type importer struct {
	store *store
	wake  func()        // there is something to relay
	work  chan struct{} // a file has come
	batch int
	log   *slog.Logger
}

// importPoll is how often the importer looks by itself, for a file that another
// instance took in and then died with.
const importPoll = 2 * time.Second

// Run works off imports until ctx ends.
func (i *importer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		worked, err := i.runOnce(ctx)
		if err != nil && ctx.Err() == nil {
			i.log.Error("import stopped, trying again", "error", err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-i.work:
		case <-time.After(importPoll):
		}
	}
	return nil
}

// runOnce works off the oldest import that is not done.
func (i *importer) runOnce(ctx context.Context) (worked bool, err error) {
	im, found, err := i.store.nextImport(ctx)
	if err != nil || !found {
		return false, err
	}
	if im.Status == ImportPending {
		total, err := countRecords(i.store.file(ctx, im.ID))
		if err != nil {
			return false, fmt.Errorf("count records of import %s: %w", im.ID, err)
		}
		if err := i.store.startImport(ctx, &im, total); err != nil {
			return false, err
		}
	}
	if err := i.takeAll(ctx, &im); err != nil {
		return false, fmt.Errorf("work off import %s: %w", im.ID, err)
	}
	return true, i.store.finishImport(ctx, im)
}

// takeAll takes the records that were not processed before.
func (i *importer) takeAll(ctx context.Context, im *Import) error {
	recs, err := openRecords(i.store.file(ctx, im.ID))
	if err != nil {
		return err
	}
	for skip := im.Processed; skip > 0; skip-- {
		if _, _, _, err := recs.next(); err != nil {
			return err
		}
	}
	for {
		batch, err := nextBatch(recs, i.batch)
		if len(batch) > 0 {
			if err := i.store.takeRecords(ctx, im, batch); err != nil {
				return err
			}
			i.wake()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func nextBatch(recs *records, size int) (batch []record, err error) {
	for len(batch) < size {
		m, line, reason, err := recs.next()
		if err != nil {
			return batch, err
		}
		batch = append(batch, record{movement: m, line: line, reason: reason})
	}
	return batch, nil
}

func countRecords(file io.Reader) (total int64, err error) {
	recs, err := openRecords(file)
	if err != nil {
		return 0, err
	}
	for {
		if _, _, _, err = recs.next(); err != nil {
			break
		}
		total++
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return total, err
}
