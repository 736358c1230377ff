package idempotency

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// Store stores responses. It is safe for concurrent use, also by several processes.
type Store struct {
	DB  *gorm.DB
	Now func() time.Time // nil: time.Now
	// WaitTimeout bounds how long a request waits for an earlier one with its key.
	// Default: 10 s.
	WaitTimeout time.Duration
}

// Keep is the retention of a response.
const Keep = 24 * time.Hour

// A claim expires lockDuration after its last renewal: its owner is presumed dead. A live
// owner renews it every renewInterval.
const (
	lockDuration  = 5 * time.Second
	renewInterval = lockDuration / 4
)

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// Claim is the exclusive right to handle a request.
type Claim struct{ scope, owner string }

// rows selects the claim's row if the claim was not taken over and no response is stored.
func (c Claim) rows(tx *gorm.DB) *gorm.DB {
	return tx.Model(&Answer{}).Where("scope = ? AND owner = ? AND status = 0", c.scope, c.owner)
}

// Claim claims a request. It returns the stored response if there is one; otherwise the
// caller must handle the request under the returned claim. It returns a fault: Invalid
// if the key was used for a different request, Conflict if an earlier request with the
// key is in progress.
func (s *Store) Claim(ctx context.Context, scope, request string) (Claim, *Answer, error) {
	mine := Claim{scope, uuid.NewString()}
	before, err := s.claim(ctx, mine, request)
	if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Invalid) {
		s.undo(ctx, mine)
	}
	return mine, before, err
}

// undo releases a claim after a statement with an unknown result, which may have made it.
func (s *Store) undo(ctx context.Context, c Claim) {
	const within = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	_ = s.Release(ctx, c) // otherwise the claim expires
}

func (s *Store) claim(ctx context.Context, c Claim, request string) (*Answer, error) {
	now := s.now()
	mine := Answer{Scope: c.scope, Owner: c.owner, Request: request, Header: http.Header{}, LockedUntil: now.Add(lockDuration), CreatedAt: now}
	conn := s.DB.WithContext(ctx)
	made := conn.Clauses(clause.OnConflict{DoNothing: true}).Create(&mine)
	if made.Error != nil {
		return nil, db.Wrap(made.Error, "claim idempotency key")
	}
	if made.RowsAffected == 1 {
		return nil, nil
	}
	var row Answer
	found := conn.Limit(1).Find(&row, "scope = ?", c.scope)
	switch {
	case found.Error != nil:
		return nil, db.Wrap(found.Error, "read response")
	case found.RowsAffected == 0:
		return nil, errInUse() // released since the insert
	case row.Request != request:
		return nil, fault.New(fault.Invalid, "idempotency_key_reused", "this Idempotency-Key was sent with another request").
			With("#/header/Idempotency-Key", "use a new key for a new request")
	case row.Status != 0:
		return &row, nil
	case now.Before(row.LockedUntil):
		return nil, errInUse()
	}
	return nil, s.takeOver(ctx, row, c.owner, now)
}

func errInUse() error {
	return fault.New(fault.Conflict, "idempotency_key_in_use", "an earlier request with this Idempotency-Key is in progress; try again in a moment")
}

// takeOver takes over a claim that has expired.
func (s *Store) takeOver(ctx context.Context, row Answer, owner string, now time.Time) error {
	taken := s.DB.WithContext(ctx).Model(&Answer{}).
		Where("scope = ? AND owner = ? AND status = 0 AND locked_until = ?", row.Scope, row.Owner, row.LockedUntil).
		Updates(map[string]any{"owner": owner, "locked_until": now.Add(lockDuration)})
	switch {
	case taken.Error != nil:
		return db.Wrap(taken.Error, "take over idempotency key")
	case taken.RowsAffected == 0:
		return errInUse() // another request was faster
	}
	return nil
}

// Renew extends a claim by lockDuration from now. A claim that was taken over stays
// unchanged.
func (s *Store) Renew(ctx context.Context, c Claim) error {
	err := c.rows(s.DB.WithContext(ctx)).Update("locked_until", s.now().Add(lockDuration)).Error
	return db.Wrap(err, "renew claim")
}

// Await claims a request like Claim. While an earlier request with the key is in progress
// it tries again every 100 ms, until that one is finished, its claim expires or
// WaitTimeout ends.
func (s *Store) Await(ctx context.Context, scope, request string) (Claim, *Answer, error) {
	timeout := s.WaitTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	const interval = 100 * time.Millisecond
	var seen ahead
	for began := time.Now(); ; {
		mine, before, err := s.Claim(ctx, scope, request)
		if !fault.Is(err, fault.Conflict) || time.Since(began) > timeout {
			return mine, before, err
		}
		if taken, err := s.takeAhead(ctx, mine, &seen); err != nil || taken {
			return mine, nil, err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return mine, nil, err
		}
	}
}

// Finish stores the response to a claimed request and ends the claim. If the response is
// not final, it only releases the claim, so that the request can be repeated. For a
// secret response it stores a problem document instead. It does not change a claim that
// was taken over.
func (s *Store) Finish(ctx context.Context, c Claim, status int, header http.Header, body []byte) error {
	if !isFinal(status) {
		return s.Release(ctx, c)
	}
	row := Answer{Status: status, Header: keptHeaders(header), Body: body}
	if isSecret(header) {
		var err error
		if row, err = secretAnswer(header); err != nil {
			return fmt.Errorf("store response: %w", err)
		}
	}
	err := c.rows(s.DB.WithContext(ctx)).Select("Status", "Header", "Body").Updates(row).Error
	return db.Wrap(err, "store response")
}

// Release ends a claim without a response, so that the request can be repeated.
func (s *Store) Release(ctx context.Context, c Claim) error {
	err := c.rows(s.DB.WithContext(ctx)).Delete(&Answer{}).Error
	return db.Wrap(err, "release idempotency key")
}

// Prune deletes up to limit responses that were stored before a time, and returns their number.
func Prune(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	old := tx.Model(&Answer{}).Select("scope").Where("created_at < ?", before.UTC()).Order("created_at").Limit(limit)
	pruned := tx.Where("scope IN (?)", old).Delete(&Answer{})
	return pruned.RowsAffected, db.Wrap(pruned.Error, "prune responses")
}
