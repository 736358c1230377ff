package deadletter

import (
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Prune deletes up to limit letters that were closed before a time, and returns their number.
// Open letters stay, however old.
func Prune(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	res := tx.Exec(`DELETE FROM dead_letters WHERE id IN
		(SELECT id FROM dead_letters WHERE state <> ? AND closed_at < ? ORDER BY id LIMIT ?)`, Open, before.UTC(), limit)
	if res.Error != nil {
		return 0, fmt.Errorf("prune dead letters: %w", res.Error)
	}
	return res.RowsAffected, nil
}
