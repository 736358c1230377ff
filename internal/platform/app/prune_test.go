package app

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
)

// Old responses are deleted, the oldest first, up to the limit.
func TestPruneIdempotencyKeys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		now := time.Now().UTC().Truncate(time.Second)
		for n := range 6 {
			err := conn.Exec("INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) VALUES (?, ?, 'f', '{}', ?)",
				fmt.Sprintf("scope %d", n%2), fmt.Sprintf("key %d", n), now.Add(-time.Duration(n)*time.Hour)).Error
			if err != nil {
				t.Fatal(err)
			}
		}
		before := now.Add(-90 * time.Minute)
		for _, want := range []int64{3, 1, 0} {
			if n, err := pruneIdempotencyKeys(conn, before, 3); err != nil || n != want {
				t.Errorf("deleted %d, %v; want %d", n, err, want)
			}
		}
		var left []string
		if err := conn.Raw("SELECT key FROM idempotency_keys ORDER BY key").Scan(&left).Error; err != nil || !slices.Equal(left, []string{"key 0", "key 1"}) {
			t.Errorf("%q are left, %v", left, err)
		}
	})
}

// A task of a running service deletes in batches what is old by the database's clock.
func TestTaskPrunes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, cfg Config) {
		cfg.IdempotencyKeep, cfg.DeadKeep = Period(time.Hour), Period(time.Hour)
		g := begin(t, cfg)
		for n := range 2500 { // more than two batches
			at := time.Now().UTC().Add(-2 * time.Hour)
			if n < 5 {
				at = time.Now().UTC()
			}
			if err := g.db().Exec("INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) VALUES ('s', ?, 'f', '{}', ?)", strconv.Itoa(n), at).Error; err != nil {
				t.Fatal(err)
			}
		}
		if status, body := g.post(t, "/tasks/"+PruneIdempotencyKeys+"/run"); status != 202 {
			t.Fatalf("%d %s", status, body)
		}
		waitUntil := time.Now().Add(60 * time.Second)
		left := -1
		for left != 5 && time.Now().Before(waitUntil) {
			if err := g.db().Raw("SELECT count(*) FROM idempotency_keys").Scan(&left).Error; err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if left != 5 {
			t.Errorf("%d rows are left, want 5", left)
		}
	})
}
