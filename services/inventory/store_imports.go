package inventory

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/fault"
)

// Import returns one import with its first errors, errorLimit at the most.
func (s *store) Import(ctx context.Context, id string, errorLimit int) (Import, []ImportError, error) {
	var im Import
	q := s.db.WithContext(ctx)
	err := q.First(&im, "id = ? AND status <> ?", id, importUploading).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return im, nil, fault.New(fault.NotFound, "import_unknown", "there is no import %s", id)
	}
	if err != nil {
		return im, nil, db.Wrap(err, "read import")
	}
	var refused []ImportError
	err = q.Where("import_id = ?", id).Order("line").Limit(errorLimit).Find(&refused).Error
	return im, refused, db.Wrap(err, "read import errors")
}

// openImports returns the IDs of the imports that are not over, in the order in which
// they came.
func (s *store) openImports(ctx context.Context) (ids []string, err error) {
	err = s.db.WithContext(ctx).Model(&Import{}).Where("status IN ?", []string{ImportPending, ImportRunning}).Order("id").Pluck("id", &ids).Error
	return ids, db.Wrap(err, "find imports")
}

// startImport stores the number of records and starts processing.
func (s *store) startImport(ctx context.Context, im *Import, total int64, ignored string) error {
	now := s.now()
	im.Status, im.Total, im.Ignored, im.Reason, im.MovedAt = ImportRunning, total, ignored, "", &now
	res := s.db.WithContext(ctx).Model(&Import{}).Where("id = ? AND status = ?", im.ID, ImportPending).
		Select("status", "total", "ignored", "reason", "moved_at").Updates(im)
	return moved(res, "start import")
}

// restartImport restarts an import that an earlier version left running without storing
// its position. Receipts stored before are recognized by their external IDs.
func (s *store) restartImport(ctx context.Context, im *Import) error {
	err := dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		if err := tx.Delete(&ImportError{}, "import_id = ?", im.ID).Error; err != nil {
			return db.Wrap(err, "delete import errors")
		}
		res := tx.Model(&Import{}).Where("id = ? AND status = ? AND processed = ?", im.ID, ImportRunning, im.Processed).
			Updates(map[string]any{"status": ImportPending, "processed": 0, "rejected": 0, "moved_at": s.now()})
		return moved(res, "begin again with import")
	})
	im.Status, im.Processed, im.Rejected = ImportPending, 0, 0
	return err
}

// holdUp stores the reason why an import is delayed.
func (s *store) holdUp(ctx context.Context, id, reason string) error {
	err := s.db.WithContext(ctx).Model(&Import{}).Where("id = ? AND status IN ?", id, []string{ImportPending, ImportRunning}).
		Update("reason", reason).Error
	return db.Wrap(err, "store reason of delay")
}

// endImport ends an import that is still in the state of im, and deletes its file.
func (s *store) endImport(ctx context.Context, im Import, status, reason string) error {
	return dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error { return s.end(tx, im, status, reason) })
}

func (s *store) end(tx *gorm.DB, im Import, status, reason string) error {
	now := s.now()
	res := tx.Model(&Import{}).Where("id = ? AND status = ? AND processed = ?", im.ID, im.Status, im.Processed).
		Updates(map[string]any{"status": status, "reason": reason, "finished_at": &now})
	if err := moved(res, "end import"); err != nil {
		return err
	}
	return db.Wrap(tx.Delete(&importChunk{}, "import_id = ?", im.ID).Error, "delete upload")
}

// Cancel ends an import that is not over. Receipts stored so far stay. Cancelling it again
// changes nothing.
func (s *store) Cancel(ctx context.Context, id string) error {
	for {
		im, _, err := s.Import(ctx, id, 0)
		switch {
		case err != nil:
			return err
		case im.Status == ImportCancelled:
			return nil
		case im.over():
			return im.errImportOver()
		}
		if err := s.endImport(ctx, im, ImportCancelled, ""); !errors.Is(err, errOvertaken) {
			return err
		}
	}
}

// stuckImport returns an import without progress for the time still that is delayed, or
// while no other import progresses either. It returns nil if there is none.
func (s *store) stuckImport(ctx context.Context, still time.Duration) (found *Import, err error) {
	var open []Import
	err = s.db.WithContext(ctx).Where("status IN ? AND moved_at IS NOT NULL", []string{ImportPending, ImportRunning}).
		Order("moved_at").Find(&open).Error
	if err != nil || len(open) == 0 {
		return nil, db.Wrap(err, "find imports without progress")
	}
	late := s.now().Add(-still)
	allStill := open[len(open)-1].MovedAt.Before(late)
	for i, im := range open {
		if im.MovedAt.Before(late) && (im.Reason != "" || allStill) {
			return &open[i], nil
		}
	}
	return nil, nil
}
