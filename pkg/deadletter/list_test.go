package deadletter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/deadletter"
)

// putSequences writes two sequences of catalog: A has an open head and three letters behind
// it, B a parked head and one. C has a head alone, and another subscriber has a sequence of A.
func putSequences(t *testing.T, conn *gorm.DB) {
	t.Helper()
	now := time.Now().UTC()
	for i, l := range []struct{ subscriber, subject, state string }{
		{"catalog", "A", deadletter.Open}, {"catalog", "A", deadletter.Behind}, {"catalog", "B", deadletter.Parked},
		{"catalog", "A", deadletter.Behind}, {"catalog", "B", deadletter.Behind}, {"catalog", "C", deadletter.Open},
		{"sales", "A", deadletter.Open}, {"sales", "A", deadletter.Behind}, {"catalog", "A", deadletter.Behind},
	} {
		letter := deadletter.Letter{
			Subscriber: l.subscriber, Stream: "inventory", EventID: fmt.Sprint("e", i), Type: "a.x", Subject: l.subject,
			FirstAt: now, LastAt: now, State: l.state,
		}
		if l.state != deadletter.Behind {
			letter.Error = "refused by " + l.subscriber
		}
		if _, err := deadletter.Create(conn, letter); err != nil {
			t.Fatal(err)
		}
	}
}

// A group counts the letters that wait for its letters, and only those.
func TestGroupsCountLettersBehind(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		putSequences(t, conn)
		for state, want := range map[string]string{
			deadletter.Open:   "[{a.x refused by catalog 2 3} {a.x refused by sales 1 1}]",
			deadletter.Parked: "[{a.x refused by catalog 1 1}]",
			deadletter.Behind: "[{a.x  5 0}]",
		} {
			groups, err := deadletter.Groups(t.Context(), conn, deadletter.Filter{State: state})
			if err != nil || fmt.Sprint(groups) != want {
				t.Errorf("groups of %s letters are %v, %v; want %s", state, groups, err, want)
			}
		}
	})
}

func TestListNewest(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		putSequences(t, conn)
		behindA := deadletter.Filter{Subject: "A", State: deadletter.Behind}
		for before, want := range map[int64]string{0: "[9 8]", 8: "[4 2]", 2: "[]"} {
			letters, err := deadletter.ListNewest(t.Context(), conn, behindA, before, 2)
			ids := []int64{}
			for _, l := range letters {
				ids = append(ids, l.ID)
			}
			if err != nil || fmt.Sprint(ids) != want {
				t.Errorf("before %d: %v, %v; want %s", before, ids, err, want)
			}
		}
	})
}

// A subject that fails for weeks has many letters. Groups must not compare each with each: for
// these letters that took half a minute.
func TestGroupsOfManyLettersOfOneSubject(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		const letters = 20_000
		err := conn.Exec(`INSERT INTO dead_letters (subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason)
			WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
			SELECT 'catalog', 'inventory', n, '', 'a.x', 'A', '', 'no', 'no', 5, ?, ?, 'open', '' FROM numbers`, letters, time.Now().UTC(), time.Now().UTC()).Error
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		groups, err := deadletter.Groups(ctx, conn, deadletter.Filter{State: deadletter.Open})
		if err != nil || len(groups) != 1 || groups[0].Count != letters || groups[0].Behind != 0 {
			t.Errorf("groups are %+v, %v", groups, err)
		}
	})
}
