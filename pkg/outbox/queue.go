package outbox

import (
	"context"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
)

// Points of the way at which RelayConfig.At is called.
const (
	AtClaimed   = "claimed"   // committed events were read and nothing is published
	AtPublished = "published" // the log has confirmed them and nothing is marked
)

// queue is the events that wait for the relay, in one kind of database.
type queue interface {
	// claim reads up to max due events in the order of their IDs, lets publish have
	// them, and marks exactly those as sent, with their feed numbers, if it succeeds.
	// It never skips an event whose transaction commits late. more means that further
	// events may wait.
	claim(ctx context.Context, max int, publish func([]due) error) (sent int, more bool, err error)
	// depth counts the events that are not sent yet, up to about most, and finds the
	// oldest of them.
	depth(ctx context.Context, most int) (Waiting, error)
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
	told    bool // an instance of an older version has published it, and only its feed number is missing
	message bus.Message
}

// messages returns the events that are to be published.
func messages(batch []due) []bus.Message {
	all := make([]bus.Message, 0, len(batch))
	for _, d := range batch {
		if !d.told {
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

// Waiting is the events that are not sent yet.
type Waiting struct {
	Unsent   int64
	OldestID int64     // in the outbox; 0 where there is none
	Oldest   time.Time // when it was appended
}

// maxCounted is where counting unsent events stops.
const maxCounted = 1_000_000
