package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"quadrille/internal/csvfile"
	"quadrille/pkg/dberr"
	"quadrille/pkg/fault"
)

// errPanic wraps the value of a panic during an import.
var errPanic = errors.New("the program failed on this file")

// errRefused is the reason for a record that only the database rejects.
var errRefused = errors.New("the database refuses this line")

// errSlow is wrapped by the error of a batch that took too long.
var errSlow = errors.New("another transaction may hold their SKUs")

// serve gives one import a turn. An error means that the import is delayed and must be
// retried. serve itself fails an import that cannot succeed.
func (i *importer) serve(ctx context.Context, id string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			i.log.Error("import panicked", "import", id, "error", r, "stack", string(debug.Stack()))
			err = i.afterPanic(ctx, id, fmt.Errorf("%w: %v", errPanic, r))
		}
	}()
	im, _, err := i.store.Import(ctx, id, 0)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case im.over():
		return nil
	}
	err = i.workOn(ctx, &im)
	if fault.Is(err, fault.Malformed) {
		i.log.Warn("import failed", "import", id, "error", err)
		return i.store.endImport(ctx, im, ImportFailed, explain(err))
	}
	return err
}

// afterPanic fails an import after maxPanics panics in a row.
func (i *importer) afterPanic(ctx context.Context, id string, reason error) error {
	i.mu.Lock()
	failures := i.tries[id].failures
	i.mu.Unlock()
	if failures+1 < maxPanics {
		return reason
	}
	im, _, err := i.store.Import(ctx, id, 0)
	if err != nil || im.over() {
		return err
	}
	return i.store.endImport(ctx, im, ImportFailed, explain(reason))
}

// workOn processes an import until the end of its turn or of the file. It returns a fault
// if the file is invalid.
func (i *importer) workOn(ctx context.Context, im *Import) error {
	if im.Status == ImportRunning && im.Processed > 0 && im.ReadOffset == 0 {
		if err := i.store.restartImport(ctx, im); err != nil {
			return err
		}
	}
	if im.Status == ImportPending {
		total, ignored, err := countRecords(i.store.file(ctx, im.ID, 0))
		if err != nil {
			return err
		}
		if err := i.store.startImport(ctx, im, total, ignoredColumns(ignored)); err != nil {
			return err
		}
	}
	file, err := csvfile.Open(i.store.file(ctx, im.ID, 0), importFile())
	if err != nil {
		return err
	}
	if at := im.position(); at.Offset > 0 {
		file.Resume(i.store.file(ctx, im.ID, at.Offset), at)
	}
	for end := time.Now().Add(i.turn); ; {
		over, err := i.step(ctx, im, file)
		if over || err != nil || time.Now().After(end) {
			return err
		}
	}
}

// step processes the next batch of an import, or ends the import after the last batch.
func (i *importer) step(ctx context.Context, im *Import, file *csvfile.Reader) (over bool, err error) {
	size := i.batchOf(im.ID)
	batch, err := nextBatch(file, size)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if len(batch) > 0 {
		if err := i.take(ctx, im, batch); err != nil {
			if errors.Is(err, errSlow) {
				i.resize(im.ID, size/4)
			}
			return false, err
		}
		i.wake()
		i.progressed(im.ID)
	}
	if err == nil {
		return false, nil
	}
	if im.Processed != im.Total {
		return true, fault.New(fault.Malformed, "import_incomplete", "the file had %d lines when it was counted and %d when it was read. Send the file again", im.Total, im.Processed)
	}
	return true, i.store.endImport(ctx, *im, ImportDone, "")
}

// take processes a batch. If the database refuses its values, take bisects the batch and
// rejects the invalid records.
func (i *importer) take(ctx context.Context, im *Import, batch []record) error {
	err := i.takeWithin(ctx, im, batch)
	if err == nil || ctx.Err() != nil || !refusesData(err) {
		return err
	}
	if len(batch) == 1 {
		if batch[0].reason != nil {
			return err
		}
		i.log.Warn("the database refuses a line of an import", "import", im.ID, "line", batch[0].line, "error", err)
		batch[0].reason = errRefused
		return i.takeWithin(ctx, im, batch)
	}
	half := len(batch) / 2
	if err := i.take(ctx, im, batch[:half]); err != nil {
		return err
	}
	return i.take(ctx, im, batch[half:])
}

func (i *importer) takeWithin(ctx context.Context, im *Import, batch []record) error {
	ctx, cancel := context.WithTimeout(ctx, i.within)
	defer cancel()
	err := i.store.takeRecords(ctx, im, batch)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the database did not store lines %d to %d within %s; %w: %w", batch[0].line, batch[len(batch)-1].line, i.within, errSlow, err)
	}
	return err
}

// refusesData reports whether a record is at fault: its values break a rule of the
// database, or of what else keeps them. No other try mends such an error.
func refusesData(err error) bool {
	for _, passing := range []error{errOvertaken, errSlow, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return !dberr.Transient(err)
}

// batchOf returns the number of records for the import's next transaction.
func (i *importer) batchOf(id string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tries[id].batch
}

func (i *importer) resize(id string, batch int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tries[id].batch = max(batch, 1)
}

// progressed records a successful transaction.
func (i *importer) progressed(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	t := i.tries[id]
	t.failures, t.batch = 0, min(t.batch+t.batch/4+1, i.batch)
}

func nextBatch(file *csvfile.Reader, size int) (batch []record, err error) {
	for len(batch) < size {
		r, err := file.Next()
		if err != nil {
			return batch, err
		}
		m, reason := receiptOf(r)
		batch = append(batch, record{movement: m, line: r.Line, end: r.End, reason: reason})
	}
	return batch, nil
}

// countRecords returns the number of records in a file and the names of ignored columns.
func countRecords(file io.Reader) (total int64, ignored []string, err error) {
	r, err := csvfile.Open(file, importFile())
	if err != nil {
		return 0, nil, err
	}
	for {
		if _, err = r.Next(); err != nil {
			break
		}
		total++
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return total, r.Ignored(), err
}
