package sales

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/db"
	"quadrille/pkg/fault"
)

// idempotencyKey names a request: the Idempotency-Key that came with it, or the
// caller's own ID of the order. Each scope has keys of its own.
type idempotencyKey struct{ Scope, Key string }

// answerRow is the answer to a request, kept with what it did.
type answerRow struct {
	Scope       string `gorm:"primaryKey"`
	Key         string `gorm:"primaryKey"`
	Fingerprint string
	Answer      string // the order as it was answered, as JSON
	CreatedAt   time.Time
}

// TableName is gorm's.
func (answerRow) TableName() string { return "idempotency_keys" }

// claimKeys keeps the answer o under keys; errAnswered where one is taken.
func claimKeys(tx *gorm.DB, keys []idempotencyKey, fingerprint string, o Order) error {
	if len(keys) == 0 {
		return nil
	}
	answer, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	rows := make([]answerRow, len(keys))
	for i, k := range keys {
		rows[i] = answerRow{Scope: k.Scope, Key: k.Key, Fingerprint: fingerprint, Answer: string(answer), CreatedAt: o.PlacedAt}
	}
	res := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows)
	if res.Error == nil && res.RowsAffected < int64(len(rows)) {
		return errAnswered
	}
	return db.Wrap(res.Error, "keep answer")
}

// Answer is the order that was answered under one of keys, if there is one. The
// same key with another request is Invalid.
func (s *store) Answer(ctx context.Context, keys []idempotencyKey, fingerprint string) (o Order, found bool, err error) {
	for _, k := range keys {
		var rows []answerRow
		err := s.db.WithContext(ctx).Where("scope = ? AND key = ?", k.Scope, k.Key).Limit(1).Find(&rows).Error
		if err != nil {
			return o, false, db.Wrap(err, "find answer")
		}
		if len(rows) == 0 {
			continue
		}
		if rows[0].Fingerprint != fingerprint {
			return o, false, fault.New(fault.Invalid, "idempotency_key_reused", "%s %q was used for another order before", k.Scope, k.Key)
		}
		if err := json.Unmarshal([]byte(rows[0].Answer), &o); err != nil {
			return o, false, fmt.Errorf("read answer: %w", err)
		}
		return o, true, nil
	}
	return o, false, nil
}
