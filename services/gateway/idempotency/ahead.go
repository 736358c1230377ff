package idempotency

import (
	"context"
	"time"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// ahead is a claim that ends later than any owner writes, as one request has seen it.
type ahead struct {
	until time.Time // as it is kept: each renewal changes it
	since time.Time // when this request saw it first
}

// takeAhead takes over a claim that ends later than now + lockDuration and is not renewed:
// the clock was set back after it was written, and its owner may be dead. By its end
// alone it would refuse the key for as long as the clock was set back. A live owner
// renews its claim, so one that stays the same for lockDuration by this process's monotonic
// clock has none.
func (s *Store) takeAhead(ctx context.Context, mine Claim, seen *ahead) (taken bool, err error) {
	var row Answer
	now := s.now()
	found := s.DB.WithContext(ctx).Limit(1).Find(&row, "scope = ? AND status = 0", mine.scope)
	switch {
	case found.Error != nil:
		return false, db.Wrap(found.Error, "look at claim")
	case found.RowsAffected == 0 || !row.LockedUntil.After(now.Add(lockDuration)):
		*seen = ahead{}
		return false, nil
	case !row.LockedUntil.Equal(seen.until):
		*seen = ahead{until: row.LockedUntil, since: time.Now()}
		return false, nil
	case time.Since(seen.since) < lockDuration:
		return false, nil
	}
	err = s.takeOver(ctx, row, mine.owner, now)
	if fault.Is(err, fault.Conflict) {
		return false, nil // another request was faster
	}
	return err == nil, err
}
