package deadletter

import (
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Prune deletes up to limit letters that were closed before a time, and returns their number.
// Unclosed letters stay, however old.
func Prune(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	res := tx.Exec(`DELETE FROM dead_letters WHERE id IN
		(SELECT id FROM dead_letters WHERE closed_at < ? ORDER BY closed_at LIMIT ?)`, before.UTC(), limit)
	if res.Error != nil {
		return 0, fmt.Errorf("prune dead letters: %w", res.Error)
	}
	return res.RowsAffected, nil
}
