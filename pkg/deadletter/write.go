package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/pkg/dbtx"
)

// insertBatch bounds the letters of one INSERT, so that its parameters fit into a statement.
const insertBatch = 200

// Put stores letters of one consumer within tx, the transaction that moves the position past
// their events. The letters need a state and, if it is Parked or Acting, NextAt. If an event
// already has an unclosed letter, because history is being read again, Put adds the attempts
// to that letter and replaces its error; its state stays.
func Put(tx *gorm.DB, letters ...Letter) error {
	fresh := make([]Letter, 0, len(letters))
	index := map[string]int{} // of fresh, by event: one batch may contain an event twice
	for _, l := range letters {
		l = l.clean()
		l.ID = 0
		if l.EventID == "" {
			if err := putAnonymous(tx, l); err != nil {
				return err
			}
			continue
		}
		if i, twice := index[l.EventID]; twice {
			fresh[i].Attempts += l.Attempts
			continue
		}
		index[l.EventID] = len(fresh)
		fresh = append(fresh, l)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := tx.Clauses(addAttempts()).CreateInBatches(&fresh, insertBatch).Error; err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

// addAttempts adds a failure to the unclosed letter of the same event. An event that was not
// tried changes nothing.
func addAttempts() clause.OnConflict {
	tried := func(column string) clause.Expr {
		return gorm.Expr("CASE WHEN excluded.attempts > 0 THEN excluded." + column + " ELSE dead_letters." + column + " END")
	}
	return clause.OnConflict{
		Columns:     []clause.Column{{Name: "subscriber"}, {Name: "stream"}, {Name: "event_id"}},
		TargetWhere: clause.Where{Exprs: []clause.Expression{gorm.Expr("closed_at IS NULL AND event_id <> ''")}},
		DoUpdates: clause.Assignments(map[string]any{
			"attempts": gorm.Expr("dead_letters.attempts + excluded.attempts"), "error": tried("error"), "cause": tried("cause"),
			"last_at": tried("last_at"), "position": tried("position"),
		}),
	}
}

// putAnonymous stores the letter of an event without an ID, which its position identifies.
func putAnonymous(tx *gorm.DB, l Letter) error {
	res := tx.Model(&Letter{}).Where("subscriber = ? AND stream = ? AND closed_at IS NULL AND event_id = '' AND position = ?",
		l.Subscriber, l.Stream, l.Position).Updates(map[string]any{
		"attempts": gorm.Expr("attempts + ?", l.Attempts), "error": l.Error, "cause": l.Cause, "last_at": l.LastAt,
	})
	if res.Error == nil && res.RowsAffected == 0 {
		res = tx.Create(&l)
	}
	if res.Error != nil {
		return fmt.Errorf("write dead letter: %w", res.Error)
	}
	return nil
}

// Find returns one letter. It returns an error that wraps ErrNotFound if there is none.
func Find(ctx context.Context, db *gorm.DB, id int64) (Letter, error) {
	return find(db.WithContext(ctx), id)
}

func find(db *gorm.DB, id int64) (Letter, error) {
	var l Letter
	err := db.First(&l, "id = ?", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return l, fmt.Errorf("%w: %d", ErrNotFound, id)
	}
	if err != nil {
		return l, fmt.Errorf("read dead letter: %w", err)
	}
	return l, nil
}

// Discard closes an unclosed letter for a reason. If the letter was the head of a sequence,
// the consumer continues with the next letter. Discard returns an error that wraps
// ErrNotFound, ErrClosed or ErrActing if there is no such letter, if it is closed, or if an
// attempt at its effect is in progress.
func Discard(ctx context.Context, db *gorm.DB, id int64, reason string) error {
	return dbtx.Run(db.WithContext(ctx), func(tx *gorm.DB) error {
		l, err := find(tx, id)
		if err != nil {
			return err
		}
		if err := closeAs(tx, id, Discarded, printable(reason), Parked, Behind, Open); err != nil {
			return err
		}
		return Promote(tx, l)
	})
}

// Take closes a letter that is to be retried, or whose claimed effect was made, within tx,
// the transaction of its effect. Of two concurrent retries, one gets an error that wraps
// ErrClosed or ErrActing before it writes anything.
func Take(tx *gorm.DB, l Letter) error {
	if l.State == Acting {
		return closeAs(tx, l.ID, Retried, "", Acting)
	}
	return closeAs(tx, l.ID, Retried, "", Parked, Open)
}

// Claim marks a letter as Acting until a time, so that nobody else makes its effect. It
// returns an error like Take.
func Claim(ctx context.Context, db *gorm.DB, id int64, until time.Time) error {
	res := db.WithContext(ctx).Exec("UPDATE dead_letters SET state = ?, next_at = ? WHERE id = ? AND state IN ?",
		Acting, micros(until), id, []string{Parked, Open})
	return changed(db.WithContext(ctx), id, res)
}

func closeAs(tx *gorm.DB, id int64, state, reason string, from ...string) error {
	res := tx.Exec("UPDATE dead_letters SET state = ?, reason = ?, closed_at = ?, next_at = NULL WHERE id = ? AND state IN ?",
		state, reason, now(), id, from)
	return changed(tx, id, res)
}

// changed returns an error with the reason why an update changed no letter.
func changed(db *gorm.DB, id int64, res *gorm.DB) error {
	if res.Error != nil {
		return fmt.Errorf("change dead letter: %w", res.Error)
	}
	if res.RowsAffected > 0 {
		return nil
	}
	l, err := find(db, id)
	switch {
	case err != nil:
		return err
	case l.State == Behind:
		return fmt.Errorf("%w: %d", ErrBehind, id)
	case l.State == Acting:
		return fmt.Errorf("%w: %d", ErrActing, id)
	default:
		return fmt.Errorf("%w: %d", ErrClosed, id)
	}
}

// Failed records a failed attempt at an unclosed letter with its cause. The letter becomes
// Parked until next, or Open if next is nil.
func Failed(db *gorm.DB, id int64, cause error, next *time.Time) error {
	state := Open
	if next != nil {
		state, next = Parked, new(micros(*next))
	}
	text := Text(cause)
	err := db.Exec("UPDATE dead_letters SET attempts = attempts + 1, error = ?, cause = ?, last_at = ?, state = ?, next_at = ? WHERE id = ? AND closed_at IS NULL",
		text, CauseOf(text), now(), state, next, id).Error
	if err != nil {
		return fmt.Errorf("record failed retry: %w", err)
	}
	return nil
}

// Postpone parks unclosed letters until a time. It counts no attempt.
func Postpone(db *gorm.DB, until time.Time, ids ...int64) error {
	err := db.Exec("UPDATE dead_letters SET state = ?, next_at = ? WHERE id IN ? AND state IN ?",
		Parked, micros(until), ids, []string{Parked, Acting}).Error
	if err != nil {
		return fmt.Errorf("postpone retry: %w", err)
	}
	return nil
}

// Create stores one letter within tx and returns it with its ID. If another event with the same
// ID has an unclosed letter, Create adds the position to the letter's EventID.
func Create(tx *gorm.DB, l Letter) (Letter, error) {
	l = l.clean()
	l.ID = 0
	res := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&l)
	if res.Error == nil && res.RowsAffected == 0 {
		l.ID, l.EventID = 0, Key(fmt.Sprintf("%s@%d", l.EventID, l.Position))
		res = tx.Create(&l)
	}
	if res.Error != nil {
		return l, fmt.Errorf("write dead letter: %w", res.Error)
	}
	return l, nil
}

// Delete removes a letter whose event was handled at the first attempt.
func Delete(db *gorm.DB, id int64) error {
	if err := db.Exec("DELETE FROM dead_letters WHERE id = ?", id).Error; err != nil {
		return fmt.Errorf("delete dead letter: %w", err)
	}
	return nil
}

// Unclaim returns a claimed letter to a state, with the time of its next attempt.
func Unclaim(db *gorm.DB, id int64, state string, next *time.Time) error {
	err := db.Exec("UPDATE dead_letters SET state = ?, next_at = ? WHERE id = ? AND state = ?", state, next, id, Acting).Error
	if err != nil {
		return fmt.Errorf("end claim of dead letter: %w", err)
	}
	return nil
}
