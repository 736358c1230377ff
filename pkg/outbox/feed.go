package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"
)

// Row is one event of a service's own feed.
type Row struct {
	ID   int64 // feed number; rises in the order in which events appear in the feed
	Body json.RawMessage
}

// Feed reads up to limit events with feed numbers above after. The relay gives an
// event its number when the log has confirmed the event, under the relay's lock and in
// the transaction that marks the event sent. So no event ever appears below a number
// that a reader has seen, and an open transaction delays nothing but its own events.
// Numbers have gaps. An event keeps its number when the history is rebuilt.
func Feed(ctx context.Context, db *gorm.DB, after int64, limit int) ([]Row, error) {
	var rows []struct {
		FeedNo int64
		Body   string
	}
	err := db.WithContext(ctx).Table(Table).Select("feed_no", "body").Where("feed_no > ?", after).
		Order("feed_no").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read feed: %w", err)
	}
	feed := make([]Row, len(rows))
	for i, r := range rows {
		feed[i] = Row{ID: r.FeedNo, Body: json.RawMessage(r.Body)}
	}
	return feed, nil
}
