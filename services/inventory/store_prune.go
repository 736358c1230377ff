package inventory

import (
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
)

// pruneImports deletes one import that ended before a time, or up to limit of its errors. It
// returns limit as long as there may be more to delete, and otherwise 0.
func pruneImports(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	var old []string
	err := tx.Model(&Import{}).Where("finished_at < ?", before.UTC()).Order("id").Limit(1).Pluck("id", &old).Error
	if err != nil || len(old) == 0 {
		return 0, db.Wrap(err, "find old imports")
	}
	lines := tx.Model(&ImportError{}).Select("line").Where("import_id = ?", old[0]).Order("line").Limit(limit)
	errors := tx.Where("import_id = ? AND line IN (?)", old[0], lines).Delete(&ImportError{})
	if errors.Error != nil || errors.RowsAffected >= int64(limit) {
		return int64(limit), db.Wrap(errors.Error, "delete errors of an old import")
	}
	return int64(limit), db.Wrap(tx.Delete(&Import{}, "id = ?", old[0]).Error, "delete old import")
}
