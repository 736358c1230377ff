package deadletter_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/deadletter"
)

// put writes a letter for an event with a new ID.
func put(t *testing.T, conn *gorm.DB, kind, text string) {
	t.Helper()
	putEvent(t, conn, uuid.NewString(), 1, kind, text)
}

func putEvent(t *testing.T, conn *gorm.DB, id string, position int64, kind, text string) {
	t.Helper()
	now := time.Now().UTC()
	err := deadletter.Put(conn, deadletter.Letter{
		Subscriber: "catalog", Stream: "inventory", Position: position, EventID: id, Type: kind, Subject: "A",
		Body: []byte{0, 0xff}, Error: text, Attempts: 5, FirstAt: now, LastAt: now, State: deadletter.Open,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilterAndGroups(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		for i := range 3 {
			put(t, conn, "a.x", fmt.Sprintf("fetch: sku_unknown: no %q, of %d", fmt.Sprint("S", i), i))
		}
		put(t, conn, "a.x", "apply: 100% wrong_")
		put(t, conn, "b.y", "order 01a1fb84-7598-7454-9597-bc82361588ff is gone")
		for want, f := range map[string]deadletter.Filter{
			"1 2 3 4 5": {},
			"1 2 3 4":   {Type: "a.x", State: deadletter.Open},
			"1 2 3":     {Error: "SKU_unknown"},
			"4":         {Error: "0% wrong_"},
			"5":         {Stream: "inventory", Type: "b.y"},
			"":          {State: deadletter.Discarded},
			" ":         {Error: "100_"},
		} {
			letters, err := deadletter.List(t.Context(), conn, f, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range letters {
				got = append(got, strconv.FormatInt(l.ID, 10))
			}
			if strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("%+v selects %v, want %s", f, got, want)
			}
			if n, err := deadletter.Count(t.Context(), conn, f); err != nil || int(n) != len(got) {
				t.Errorf("%+v counts %d, %v", f, n, err)
			}
		}
		groups, err := deadletter.Groups(t.Context(), conn, deadletter.Filter{})
		want := `[{a.x fetch: sku_unknown: no "…", of <n> 3 0} {a.x apply: <n>% wrong_ 1 0} {b.y order <id> is gone 1 0}]`
		if err != nil || fmt.Sprint(groups) != want {
			t.Errorf("groups are %v, %v; want %s", groups, err, want)
		}
		byCause, err := deadletter.List(t.Context(), conn, deadletter.Filter{Error: groups[0].Cause}, 1, 10)
		if err != nil || len(byCause) != 2 {
			t.Errorf("the cause of a group picks %d letters after the first, %v", len(byCause), err)
		}
	})
}

func TestLetterIsClosedOnce(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		put(t, conn, "a.x", "no")
		put(t, conn, "a.x", "no")
		first, err := deadletter.Find(t.Context(), conn, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := deadletter.Take(conn, first); err != nil {
			t.Fatal(err)
		}
		for _, again := range []error{deadletter.Take(conn, first), deadletter.Discard(t.Context(), conn, 1, "x")} {
			if !errors.Is(again, deadletter.ErrClosed) {
				t.Errorf("a closed letter is closed again: %v", again)
			}
		}
		if err := deadletter.Discard(t.Context(), conn, 99, "x"); !errors.Is(err, deadletter.ErrNotFound) {
			t.Errorf("one that is not there: %v", err)
		}
		if err := deadletter.Failed(conn, 2, errors.New("worse\x00\xff"), nil); err != nil {
			t.Fatal(err)
		}
		l, err := deadletter.Find(t.Context(), conn, 2)
		if err != nil || l.Attempts != 6 || l.Error != "worse?" || string(l.Body) != "\x00\xff" {
			t.Errorf("letter is %+v, %v", l, err)
		}
	})
}

// An event that fails again updates its open letter. After that is closed it gets a new one.
func TestEventHasOneOpenLetter(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		for _, text := range []string{"first", "second 2"} {
			putEvent(t, conn, "e", 7, "a.x", text)
			putEvent(t, conn, "", 8, "", "no event: "+text)
			putEvent(t, conn, "", 9, "", "no event: "+text)
		}
		all, err := deadletter.List(t.Context(), conn, deadletter.Filter{}, 0, 10)
		if err != nil || len(all) != 3 {
			t.Fatalf("there are %d, %v", len(all), err)
		}
		if l := all[0]; l.Attempts != 10 || l.Error != "second 2" || l.Cause != "second <n>" || !l.LastAt.After(l.FirstAt) {
			t.Errorf("it is %+v", l)
		}
		if err := deadletter.Discard(t.Context(), conn, 1, "x"); err != nil {
			t.Fatal(err)
		}
		putEvent(t, conn, "e", 7, "a.x", "after all")
		if n, err := deadletter.Count(t.Context(), conn, deadletter.Filter{Type: "a.x"}); err != nil || n != 2 {
			t.Errorf("after it was closed there are %d, %v", n, err)
		}
	})
}

// A batch that contains an event twice writes one letter.
func TestPutMergesRepeatedEvents(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		now := time.Now()
		l := deadletter.Letter{
			Subscriber: "catalog", Stream: "inventory", Position: 1, EventID: "e", Type: "a.x", Subject: "A",
			Error: "no", Attempts: 1, FirstAt: now, LastAt: now, State: deadletter.Open,
		}
		other := l
		other.EventID = "f"
		if err := deadletter.Put(conn, l, other, l); err != nil {
			t.Fatal(err)
		}
		all, err := deadletter.List(t.Context(), conn, deadletter.Filter{}, 0, 10)
		if err != nil || len(all) != 2 || all[0].Attempts != 2 || all[1].Attempts != 1 {
			t.Errorf("letters are %+v, %v", all, err)
		}
	})
}
