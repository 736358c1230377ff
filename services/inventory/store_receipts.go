package inventory

import (
	"context"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/csvfile"
	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// errOvertaken reports that the import changed since it was read: another instance
// processed it, or it was cancelled.
var errOvertaken = errors.New("the import has changed meanwhile")

// record is one record of an import: a movement, or the reason for its rejection.
type record struct {
	movement Movement
	line     int64
	end      csvfile.Position
	reason   error
}

// takeRecords applies a batch of records to the stock and advances the import, in one
// transaction. The number processed so far is the fencing token: of two concurrent
// instances one succeeds, and none after the import was cancelled.
func (s *store) takeRecords(ctx context.Context, im *Import, batch []record) error {
	var next Import
	err := dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		refused, err := s.receiveAll(ctx, tx, batch)
		if err != nil {
			return err
		}
		if err := keepErrors(tx, *im, refused); err != nil {
			return err
		}
		now := s.now()
		next = *im // an earlier try that met a conflict has changed next
		next.Processed += int64(len(batch))
		next.Rejected += int64(len(refused))
		next.ReadOffset, next.ReadLine = batch[len(batch)-1].end.Offset, batch[len(batch)-1].end.Line
		next.Reason, next.MovedAt = "", &now
		res := tx.Model(&Import{}).Where("id = ? AND status = ? AND processed = ?", im.ID, ImportRunning, im.Processed).
			Select("processed", "rejected", "read_offset", "read_line", "reason", "moved_at").Updates(&next)
		return moved(res, "move import on")
	})
	if err == nil {
		*im = next
	}
	return err
}

// moved returns errOvertaken if an update found the import in another state.
func moved(res *gorm.DB, doing string) error {
	if res.Error == nil && res.RowsAffected == 0 {
		return errOvertaken
	}
	return db.Wrap(res.Error, doing)
}

// receiveAll applies many movements, like Record, with one event for each SKU. It returns
// the rejected records with their reasons.
func (s *store) receiveAll(ctx context.Context, tx *gorm.DB, batch []record) (refused []record, err error) {
	var good []record
	for _, r := range batch {
		if r.reason != nil {
			refused = append(refused, r)
		} else {
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		return refused, nil
	}
	codes := codesIn(good)
	if err := ensureSKUs(tx, codes, s.now()); err != nil {
		return nil, err
	}
	stock, err := lockStock(tx, codes, s.now())
	if err != nil {
		return nil, err
	}
	before := snapshot(stock)
	for _, r := range good {
		if r.reason, err = s.receiveOne(tx, stock, r.movement); err != nil {
			return nil, err
		}
		if r.reason != nil {
			refused = append(refused, r)
		}
	}
	return refused, s.saveStock(ctx, tx, stock.changedSince(before), map[string]events.Event{})
}

// receiveOne applies one movement to stock. reason is not nil if it is rejected.
func (s *store) receiveOne(tx *gorm.DB, stock Stock, m Movement) (reason, err error) {
	m.MovedAt = s.now()
	trial := *stock[m.SKU]
	if reason := trial.Move(m); reason != nil {
		return reason, nil
	}
	_, created, err := insertMovement(tx, m)
	if fault.Is(err, fault.Conflict) {
		return err, nil
	}
	if err != nil || !created {
		return nil, err
	}
	*stock[m.SKU] = trial
	return nil, nil
}

func codesIn(records []record) []string {
	movements := make([]Movement, len(records))
	for i, r := range records {
		movements[i] = r.movement
	}
	return byCode(movements)
}

// maxErrors bounds the rejected records that are stored per import, with their reasons.
// All are counted.
const maxErrors = 10_000

// keepErrors stores rejected records with their reasons.
func keepErrors(tx *gorm.DB, im Import, refused []record) error {
	refused = refused[:min(int64(len(refused)), max(maxErrors-im.Rejected, 0))]
	if len(refused) == 0 {
		return nil
	}
	rows := make([]ImportError, len(refused))
	for i, r := range refused {
		rows[i] = ImportError{ImportID: im.ID, Line: r.line, Detail: explain(r.reason)}
	}
	once := clause.OnConflict{DoNothing: true}
	return db.Wrap(tx.Clauses(once).CreateInBatches(rows, 500).Error, "store import errors")
}
