package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// canWriteWithin bounds CanWrite, because health endpoints must answer while the database
// hangs.
const canWriteWithin = 2 * time.Second

// CanWrite returns nil if db accepts writes of its service, and otherwise the reason,
// within two seconds: the server does not answer, it is a standby or set to read-only, the
// service's schema is missing, or the role may not write there.
//
// It updates no row of leases, a table that every service has: both databases check all of
// the above before they look for rows. The statement costs one round trip and leaves
// neither a transaction ID nor a dead row. It does not detect a full disk, which fails only
// writes that have to grow a file, nor another table of the service that is missing.
func CanWrite(ctx context.Context, db *gorm.DB) error {
	ctx, cancel := context.WithTimeoutCause(ctx, canWriteWithin, errNoAnswer)
	defer cancel()
	err := db.WithContext(ctx).Exec("UPDATE leases SET holder = holder WHERE 1 = 0").Error
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errNoAnswer):
		return fmt.Errorf("write to the database: %w", errNoAnswer)
	default:
		return fmt.Errorf("write to the database: %w", err)
	}
}

var errNoAnswer = errors.New("no answer within 2 s")
