// Package dbtx runs transactions, and runs them again where they lost to another one.
package dbtx

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dberr"
)

// Tries is how often a transaction is run before its conflict is returned.
const Tries = 8

// firstPause bounds the pause after the first conflict. It doubles with each further
// one: all pauses together last 1.3 s at the most.
const firstPause = 10 * time.Millisecond

// Run runs work in a transaction on conn, which carries the context. After a
// serialization failure or a deadlock it rolls back and runs work again, up to Tries
// times; the last conflict is returned and matches dberr.ErrAway.
//
// work must therefore set whatever it leaves behind from the beginning, and must do
// nothing outside the transaction. What does so uses Once.
func Run(conn *gorm.DB, work func(tx *gorm.DB) error) error {
	return Again(conn.Statement.Context, func() error { return Once(conn, work) })
}

// Once runs work in a transaction on conn and never runs it again. The options of the
// transaction are the database's own where none are given.
func Once(conn *gorm.DB, work func(tx *gorm.DB) error, options ...*sql.TxOptions) error {
	return conn.Transaction(work, options...)
}

// Again calls do, which must be a whole transaction or a single statement outside of
// one, until it returns no conflict, up to Tries times. The pauses between are random,
// so that two opponents do not meet again.
func Again(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if try == Tries || dberr.Of(err) != dberr.Conflict {
			return err
		}
		pause := time.NewTimer(rand.N(firstPause << (try - 1)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
	}
}
