package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
)

// follower reads a feed as a client does: from the cursor of the previous page.
type follower struct {
	conn *gorm.DB
	at   int64
	seen []string
}

// read reads the new events in small pages.
func (f *follower) read(t *testing.T) {
	t.Helper()
	for {
		page, err := outbox.Feed(t.Context(), f.conn, f.at, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			e, err := events.Decode(r.Body)
			if err != nil || r.ID <= f.at {
				t.Fatalf("row %d after %d: %v", r.ID, f.at, err)
			}
			f.at, f.seen = r.ID, append(f.seen, e.ID)
		}
		if len(page) < 7 {
			return
		}
	}
}

func drain(t *testing.T, relay *outbox.Relay) {
	t.Helper()
	for {
		n, err := relay.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// An event whose transaction commits late gets a feed number above those that readers have
// seen, and delays no other event.
func TestFeedAppendsLateCommit(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	relay, reader := newRelay(t, conn, &fragile{}, 10), &follower{conn: conn}
	var want []string
	for round := range 3 {
		late := conn.Begin()
		e := events.SkuProcessed(fmt.Sprint("LATE", round), 1)
		if err := outbox.Append(t.Context(), late, e); err != nil {
			t.Fatal(err)
		}
		want = append(want, commit(t, conn, 100*round, 25)...)
		drain(t, relay)
		reader.read(t)
		same(t, reader.seen, want) // the open transaction delays nothing
		if err := late.Commit().Error; err != nil {
			t.Fatal(err)
		}
		want = append(want, e.ID)
		drain(t, relay)
		reader.read(t)
		same(t, reader.seen, want)
	}
}

// An open transaction that appends no event delays neither relay nor feed, whether it has
// written or only read.
func TestOpenTransactionDoesNotDelayFeed(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	for _, sql := range []string{"CREATE TABLE loads (n int)", "INSERT INTO loads VALUES (1)"} {
		if err := conn.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"INSERT INTO loads SELECT generate_series(1, 1000)", "SELECT * FROM outbox", "LOCK TABLE loads"} {
		tx := conn.Begin()
		if err := tx.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
	}
	relay, reader := newRelay(t, conn, &fragile{}, 10), &follower{conn: conn}
	var want []string
	for round := range 3 {
		want = append(want, commit(t, conn, 100*round, 25)...)
		drain(t, relay)
		reader.read(t)
		same(t, reader.seen, want)
	}
}

// With twelve writers, some of which commit late, a follower sees each event once.
func TestFeedShowsEachEventOnceToFollower(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		const writers, each = 12, 40
		relays := []*outbox.Relay{newRelay(t, conn, &fragile{}, 30)}
		if conn.Name() == "postgres" { // a second instance
			relays = append(relays, newRelay(t, conn, &fragile{}, 30))
		}
		ctx, stop := context.WithCancel(t.Context())
		var relaying, writing sync.WaitGroup
		for _, r := range relays {
			relaying.Go(func() { _ = r.Run(ctx) })
		}
		for w := range writers {
			writing.Go(func() {
				for n := range each {
					err := conn.Transaction(func(tx *gorm.DB) error {
						if err := outbox.Append(t.Context(), tx, events.SkuProcessed(fmt.Sprint("S", w, "-", n), 1)); err != nil {
							return err
						}
						if n%3 == 0 && tx.Name() == "postgres" {
							return tx.Exec("SELECT pg_sleep(?)", float64(w%4)/200).Error
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
					relays[n%len(relays)].Wake()
				}
			})
		}
		reader := &follower{conn: conn}
		written := make(chan struct{})
		go func() { writing.Wait(); close(written) }()
		for over := false; !over; {
			select {
			case <-written:
				over = true
			default:
			}
			reader.read(t)
		}
		for deadline := time.Now().Add(time.Minute); unsent(t, conn) > 0 && time.Now().Before(deadline); {
			relays[0].Wake()
			reader.read(t)
		}
		stop()
		relaying.Wait()
		reader.read(t)
		once := map[string]bool{}
		for _, id := range reader.seen {
			once[id] = true
		}
		if len(reader.seen) != writers*each || len(once) != writers*each {
			t.Errorf("the reader saw %d events, %d different ones; want %d", len(reader.seen), len(once), writers*each)
		}
	})
}

// A rebuild publishes all events again; the feed does not repeat them.
func TestRebuildDoesNotRepeatFeed(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		log := openEmbedded(t)
		relay, reader := newRelay(t, conn, log, 10), &follower{conn: conn}
		want := commit(t, conn, 0, 25)
		drain(t, relay)
		reader.read(t)
		if n, err := relay.Rebuild(t.Context(), false); n != 25 || err != nil {
			t.Fatalf("rebuilding %d events, %v", n, err)
		}
		want = append(want, commit(t, conn, 25, 15)...)
		fresh := &follower{conn: conn}
		fresh.read(t)
		same(t, fresh.seen, want[:25]) // events stay in the feed during the rebuild
		drain(t, relay)
		for _, r := range []*follower{reader, fresh} {
			r.read(t)
			same(t, r.seen, want)
		}
		same(t, history(t, log), want)
	})
}

func openEmbedded(t *testing.T) *sqlitelog.Log {
	t.Helper()
	log, err := sqlitelog.Open(sqlitelog.Config{Path: t.TempDir() + "/log.db"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}
