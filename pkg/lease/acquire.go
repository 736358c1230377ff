package lease

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// acquire takes or extends the lease and returns its expiry, or the zero time if another
// instance holds it. The expiry is counted by this process's monotonic clock from before
// the query. The database's clock decides whether another instance's lease has expired.
func (l *Lease) acquire(ctx context.Context) (until time.Time, err error) {
	began := time.Now()
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
		until = began.Add(l.cfg.TTL)
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

// ahead describes a lease that expires later than now + TTL.
type ahead struct {
	version string    // of the row; each renewal changes it
	since   time.Time // when this instance first saw the version
}

// takeAhead takes a lease that expires later than now + TTL and is not being renewed. No
// holder writes such a time: the database's clock was set back afterwards, or a person
// wrote it. Without takeAhead, the lease of a dead holder would keep all instances idle for
// as long as the clock was set back.
//
// A live holder renews its lease every third of its TTL. So if a row does not change for
// the TTL by this process's monotonic clock, its holder is dead. Other instances may be
// configured with a longer TTL, so the wait is at least DefaultTTL.
func (l *Lease) takeAhead(db *gorm.DB) (bool, error) {
	var version string
	err := db.Raw(`SELECT holder, xmin::text, expires_at > clock_timestamp() + ? * interval '1 microsecond' FROM leases WHERE name = ?`,
		l.cfg.TTL.Microseconds(), l.cfg.Name).Row().Scan(&l.seen.holder, &version, &l.seen.ahead)
	switch {
	case errors.Is(err, sql.ErrNoRows): // released in the meantime
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
	l.cfg.Log.Warn("took a lease that expires too far in the future and was not renewed; was the database's clock set back?",
		"lease", l.cfg.Name, "holder", l.seen.holder)
	l.ahead = ahead{}
	return true, nil
}

// takeFile takes the lease in an SQLite file from any holder. Only one process opens the
// file, so the previous holder is dead.
func takeFile(db *gorm.DB, cfg Config) (bool, error) {
	res := db.Exec(`INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at`,
		cfg.Name, cfg.Holder, time.Now().UTC().Add(cfg.TTL))
	return res.RowsAffected > 0, res.Error
}
