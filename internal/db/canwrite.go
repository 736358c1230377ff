package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// canWriteWithin bounds CanWrite: whoever asks for health must be answered while the
// database hangs.
const canWriteWithin = 2 * time.Second

// CanWrite reports why db takes no writes of its service, within two seconds: it does
// not answer, it is a standby or set to read-only, its tables are gone, or the role may
// not write them. nil means that it does.
//
// The statement updates a table that every service has, but no row of it: both
// databases check all of the above before they look for rows. It costs one round trip
// and leaves neither a transaction ID nor a dead row behind. A full disk shows only
// where a file has to grow, so this probe does not meet it.
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
