package deadletter_test

import (
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
