package outbox

import (
	"context"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
)

// Points at which the relay calls RelayConfig.At.
const (
	AtClaimed   = "claimed"   // committed events were read; none is published
	AtPublished = "published" // the log has confirmed the events; none is marked sent
)

// queue reads and marks the unsent events in one kind of database.
type queue interface {
	// claim reads up to max due events in the order of their IDs, passes them to publish
	// and, if that succeeds, marks exactly those as sent, with feed numbers. It never skips
	// an event whose transaction commits late. more means that further events may wait.
	claim(ctx context.Context, max int, publish func([]due) error) (sent int, more bool, err error)
	// depth counts the unsent events, up to about limit, and finds the oldest of them.
	depth(ctx context.Context, limit int) (Waiting, error)
}

// newQueue returns the queue in db.
func newQueue(db *gorm.DB) queue {
	if db.Name() == "postgres" {
		return &postgresQueue{db: db}
	}
	return &sqliteQueue{db: db}
}

// due is one event that waits for the relay.
type due struct {
	id      int64
	sent    bool // published by an instance of an older version; only the feed number is missing
	message bus.Message
}

// messages returns the messages of the events that are not sent yet.
func messages(batch []due) []bus.Message {
	all := make([]bus.Message, 0, len(batch))
	for _, d := range batch {
		if !d.sent {
			all = append(all, d.message)
		}
	}
	return all
}

func idsOf(batch []due) idList {
	ids := make(idList, len(batch))
	for i, d := range batch {
		ids[i] = d.id
	}
	return ids
}

// Waiting describes the unsent events.
type Waiting struct {
	Unsent   int64     // number of events
	OldestID int64     // outbox ID of the oldest; 0 if there is none
	Oldest   time.Time // when the oldest was appended
}

// maxCounted bounds the count of unsent events.
const maxCounted = 1_000_000
