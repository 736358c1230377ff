package lease

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// acquire takes the lease, or extends it where this instance holds it. It returns
// until when this instance holds it, by this process's monotonic clock, counted from
// before the database was asked; whether another holder's lease has expired is
// decided by the database's clock. It returns the zero time where another instance
// holds the lease.
func (l *Lease) acquire(ctx context.Context) (until time.Time, err error) {
	asked := time.Now()
	db := l.cfg.DB.WithContext(ctx)
	var taken bool
	if db.Name() == "postgres" {
		taken, err = l.acquirePostgres(db)
	} else {
		taken, err = takeFile(db, l.cfg)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("acquire lease: %w", err)
	case taken:
		until = asked.Add(l.cfg.TTL)
	}
	l.note(ctx, taken, err)
	return until, err
}

func (l *Lease) acquirePostgres(db *gorm.DB) (bool, error) {
	res := db.Exec(`INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, clock_timestamp() + ? * interval '1 microsecond')
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.holder = excluded.holder OR leases.expires_at < clock_timestamp()`,
		l.cfg.Name, l.cfg.Holder, l.cfg.TTL.Microseconds())
	if res.Error != nil {
		return false, res.Error
	}
	if res.RowsAffected > 0 {
		l.ahead = ahead{}
		return true, nil
	}
	return l.takeAhead(db)
}

// ahead is a lease that expires later than now + TTL, as one instance has seen it.
type ahead struct {
	version string    // of the row: each renewal changes it
	since   time.Time // when this instance saw this version first
}

// takeAhead takes a lease that expires later than now + TTL and is not renewed. No
// holder writes such a time: the database's clock was set back after it was written,
// or a person wrote it. By its expiry alone, the lease of a dead holder would keep
// everybody from work for as long as the clock was set back.
//
// A live holder renews its lease every third of its TTL, so a row that stays the same
// for the TTL by this process's monotonic clock has no live holder. Other instances
// may have been configured with a longer TTL, so the wait is DefaultTTL at least.
func (l *Lease) takeAhead(db *gorm.DB) (bool, error) {
	var version string
	err := db.Raw(`SELECT holder, xmin::text, expires_at > clock_timestamp() + ? * interval '1 microsecond' FROM leases WHERE name = ?`,
		l.cfg.TTL.Microseconds(), l.cfg.Name).Row().Scan(&l.seen.holder, &version, &l.seen.ahead)
	switch {
	case errors.Is(err, sql.ErrNoRows): // it was given back meanwhile
		l.seen, l.ahead = seen{}, ahead{}
		return false, nil
	case err != nil:
		return false, err
	case !l.seen.ahead:
		l.ahead = ahead{}
		return false, nil
	case version != l.ahead.version:
		l.ahead = ahead{version: version, since: time.Now()}
		return false, nil
	case time.Since(l.ahead.since) < max(l.cfg.TTL, DefaultTTL):
		return false, nil
	}
	res := db.Exec(`UPDATE leases SET holder = ?, expires_at = clock_timestamp() + ? * interval '1 microsecond' WHERE name = ? AND xmin::text = ?`,
		l.cfg.Holder, l.cfg.TTL.Microseconds(), l.cfg.Name, version)
	if res.Error != nil || res.RowsAffected == 0 {
		return false, res.Error
	}
	l.cfg.Log.Warn("took a lease that expires in the future and was not renewed; was the database's clock set back?",
		"lease", l.cfg.Name, "holder", l.seen.holder)
	l.ahead = ahead{}
	return true, nil
}

// takeFile takes the lease from any holder: an SQLite file has one process, so
// the previous holder is dead.
func takeFile(db *gorm.DB, cfg Config) (bool, error) {
	res := db.Exec(`INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at`,
		cfg.Name, cfg.Holder, time.Now().UTC().Add(cfg.TTL))
	return res.RowsAffected > 0, res.Error
}
