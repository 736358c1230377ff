package outbox

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Oldest is the ID of the oldest event that is not sent, and when it was appended; 0
// where there is none. A relay that sends changes it.
func Oldest(ctx context.Context, db *gorm.DB) (id int64, appended time.Time, err error) {
	var first []row
	err = db.WithContext(ctx).Select("id", "created_at").Where("sent_at IS NULL").Order("id").Limit(1).Find(&first).Error
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("look for the oldest unsent event: %w", err)
	}
	if len(first) == 0 {
		return 0, time.Time{}, nil
	}
	return first[0].ID, first[0].CreatedAt, nil
}
