package idempotency

import (
	"context"
	"time"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// ahead records that a request saw a claim that ends later than now + lockDuration. No
// owner writes such an end; the clock was set back since.
type ahead struct {
	until time.Time // end of the claim; each renewal changes it
	since time.Time // when this request first saw this end
}

// takeAhead takes over a claim that ends later than now + lockDuration and is not
// renewed. Such a claim was written before the clock was set back, and its owner may be
// dead: waiting for its end would block the key for as long as the clock was set back. A
// live owner renews its claim, so a claim that does not change within lockDuration by
// this process's monotonic clock has no owner.
func (s *Store) takeAhead(ctx context.Context, mine Claim, seen *ahead) (taken bool, err error) {
	var row Answer
	now := s.now()
	found := s.DB.WithContext(ctx).Limit(1).Find(&row, "scope = ? AND status = 0", mine.scope)
	switch {
	case found.Error != nil:
		return false, db.Wrap(found.Error, "read claim")
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
