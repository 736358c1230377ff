// Package dbtx runs transactions and repeats those that fail with a conflict.
package dbtx

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dberr"
)

// MaxAttempts bounds the attempts at one transaction.
const MaxAttempts = 8

// firstPause bounds the pause after the first conflict. The bound doubles with each
// further conflict; all pauses together last at most 1.3 s.
const firstPause = 10 * time.Millisecond

// Run calls work in a transaction on conn, whose context it uses. After a serialization
// failure or a deadlock it rolls back and calls work again, up to MaxAttempts times; then
// it returns the last conflict, which matches dberr.ErrUnavailable.
//
// Each call of work must therefore reset the variables that it sets, and must have no
// effect outside the transaction. Use Once for work that has such effects.
func Run(conn *gorm.DB, work func(tx *gorm.DB) error) error {
	return Again(conn.Statement.Context, func() error { return Once(conn, work) })
}

// Once calls work in a transaction on conn and does not repeat it. Without options, the
// transaction has the database's defaults.
func Once(conn *gorm.DB, work func(tx *gorm.DB) error, options ...*sql.TxOptions) error {
	return conn.Transaction(work, options...)
}

// Again calls do until it returns something other than a conflict, up to MaxAttempts
// times. do must be a whole transaction, or a single statement outside of one. The pauses
// between the calls are random, so that two conflicting transactions do not collide again.
func Again(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if attempt == MaxAttempts || dberr.Of(err) != dberr.Conflict {
			return err
		}
		pause := time.NewTimer(rand.N(firstPause << (attempt - 1)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
	}
}

// Do calls work in a transaction and commits what it did, unless it returns an error. Work that
// deletes in steps takes a Do, so that its caller decides what else each transaction checks.
type Do func(ctx context.Context, work func(tx *gorm.DB) error) error

// On returns a Do that runs transactions on conn, like Run.
func On(conn *gorm.DB) Do {
	return func(ctx context.Context, work func(tx *gorm.DB) error) error { return Run(conn.WithContext(ctx), work) }
}
