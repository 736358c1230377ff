package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dberr"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/fault"
)

// KeyStore stores API keys. It is safe for concurrent use, also by several processes. It
// does not cache: every process refuses a revoked key at once.
type KeyStore struct {
	DB  *gorm.DB
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
}

func (k *KeyStore) now() time.Time {
	if k.Now != nil {
		return k.Now().UTC()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// Create creates a key and returns its row and its text, which cannot be retrieved
// afterwards.
func (k *KeyStore) Create(ctx context.Context, n KeySpec) (row APIKey, text string, err error) {
	now := k.now()
	if err := n.Validate(now); err != nil {
		return APIKey{}, "", err
	}
	row, text = n.generate(now)
	return row, text, db.Wrap(k.DB.WithContext(ctx).Create(&row).Error, "store key")
}

// List returns all keys, oldest first, including revoked ones.
func (k *KeyStore) List(ctx context.Context) (rows []APIKey, err error) {
	err = k.DB.WithContext(ctx).Order("created_at, id").Find(&rows).Error
	return rows, db.Wrap(err, "read keys")
}

// Revoke revokes a key. Revoking it again changes nothing. It returns a fault (NotFound)
// for an unknown key.
func (k *KeyStore) Revoke(ctx context.Context, id string) (row APIKey, err error) {
	if !idPattern.MatchString(id) {
		return row, noSuchKey(id)
	}
	now := k.now()
	err = dbtx.Run(k.DB.WithContext(ctx), func(tx *gorm.DB) error {
		if err := tx.Model(&APIKey{}).Where("id = ? AND revoked_at IS NULL", id).Update("revoked_at", now).Error; err != nil {
			return err
		}
		row = APIKey{} // dbtx may run this again after a conflict
		return tx.First(&row, "id = ?", id).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row, noSuchKey(id)
	}
	return row, db.Wrap(err, "revoke key")
}

func noSuchKey(id string) error {
	return fault.New(fault.NotFound, "key_unknown", "there is no API key %s", id)
}

// Caller returns the caller that a key identifies. It returns a fault: Unauthorized if the
// key is unknown, revoked or expired, Unavailable if it cannot be looked up now. An
// unknown ID and a wrong secret give the same fault, so that IDs cannot be probed.
func (k *KeyStore) Caller(ctx context.Context, text string) (Caller, error) {
	unknown := fault.New(fault.Unauthorized, "key_unknown", "the API key is unknown")
	parts := keyPattern.FindStringSubmatch(text)
	if parts == nil {
		return Caller{}, unknown
	}
	id, secret := parts[1], parts[2]
	row, err := k.find(ctx, id)
	switch {
	case err != nil:
		return Caller{}, err
	case !row.matches(secret):
		return Caller{}, unknown
	}
	now := k.now()
	if err := row.validate(now); err != nil {
		return Caller{}, err
	}
	k.markUsed(ctx, row, now)
	return row.caller(), nil
}

// find returns the row of a key. For an unknown key it returns an empty row, which
// matches no secret.
func (k *KeyStore) find(ctx context.Context, id string) (row APIKey, err error) {
	err = k.DB.WithContext(ctx).Take(&row, "id = ?", id).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return APIKey{}, nil
	case dberr.Transient(err):
		unavailable := fault.New(fault.Unavailable, "identity_away", "the API key cannot be looked up now; try again in a moment")
		return APIKey{}, errors.Join(unavailable, db.Wrap(err, "read key"))
	default:
		return row, db.Wrap(err, "read key")
	}
}

// markUsed records the use of a key, at most once a minute. It logs errors, so that they
// do not fail the request.
func (k *KeyStore) markUsed(ctx context.Context, row APIKey, now time.Time) {
	minute := now.Truncate(time.Minute)
	if row.LastUsedAt != nil && !row.LastUsedAt.Before(minute) {
		return
	}
	if err := k.DB.WithContext(ctx).Model(&APIKey{}).Where("id = ?", row.ID).Update("last_used_at", minute).Error; err != nil {
		k.Log.Warn("use of an API key was not recorded", "key", row.ID, "error", err)
	}
}
