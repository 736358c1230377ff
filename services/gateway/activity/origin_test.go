package activity

import (
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

// A gateway that is new to an old shop records its past for traces and does not stream
// it.
func TestDoesNotStreamEventsBeforeTheRecording(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales())
		listening, _ := i.listen(t, "", anonymous())
		old, fresh := caused(events.ProductChanged("A", 1)), caused(events.ProductChanged("A", 2))
		old.Time = old.Time.Add(-time.Minute)
		i.record(t, old, fresh)
		later, _ := i.listen(t, "", after(anonymous(), 0))
		for _, c := range []*client{listening, later} {
			if f := c.next(t); f.told(t).ID != fresh.ID {
				t.Errorf("told %+v", f)
			}
		}
		if got := i.trace(t, "subject=A"); got != "1 2" {
			t.Errorf("traced %s", got)
		}
	})
}

// Numbers restart when the table was lost. A client with a number of the lost recording
// is reset, even if the number exists again.
func TestResetsClientOfAnotherRecording(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales())
		i.record(t, products(3)...)
		_, hello := i.listen(t, "", anonymous())
		if len(hello.epoch) != 8 {
			t.Fatalf("hello is %+v", hello)
		}
		back, _ := i.listen(t, "", after(anonymous(), hello.epoch+"-2"))
		if f := back.next(t); f.id != "3" || f.epoch != hello.epoch || f.event != events.CatalogProductChanged {
			t.Errorf("told %+v", f)
		}
		lost, _ := i.listen(t, "last_event_id=00000000-2", anonymous())
		if f := lost.next(t); f.event != "reset" || f.id != "3" || f.epoch != hello.epoch {
			t.Errorf("told %+v", f)
		}
		other := start(t, dbtest.SQLite(t, "gateway", tables()), newSales())
		if _, theirs := other.listen(t, "", anonymous()); theirs.epoch == hello.epoch {
			t.Errorf("both have the epoch %s", theirs.epoch)
		}
	})
}

// Events that arrive too late to be recorded are missing. Clients are reset once, however
// many are missing, even if no event follows.
func TestResetsClientWhenEventsWereNotRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales(), func(c *Config) { c.Keep = time.Hour })
		if err := conn.Exec("UPDATE activity_origin SET born = ?", time.Now().UTC().Add(-24*time.Hour)).Error; err != nil {
			t.Fatal(err)
		}
		late := func() events.Event {
			e := caused(events.ProductChanged("A", 1))
			e.Time = e.Time.Add(-2 * time.Hour)
			return e
		}
		i.record(t, products(2)...)
		i.record(t, late(), late())
		i.record(t, late())
		back, _ := i.listen(t, "", after(anonymous(), 2))
		if f := back.next(t); f.event != "reset" || f.id != "3" {
			t.Errorf("told %+v", f)
		}
		i.record(t, products(1)...)
		if f := back.next(t); f.event != events.CatalogProductChanged || f.id != "4" {
			t.Errorf("told %+v", f)
		}
		past, _ := i.listen(t, "", after(anonymous(), 1))
		if f := past.next(t); f.id != "2" {
			t.Errorf("told %+v", f)
		}
		if f := past.next(t); f.event != "reset" || f.id != "4" {
			t.Errorf("told %+v", f)
		}
		// History that was cut or replaced is the same.
		for _, err := range i.recorder().List(t.Context()) {
			t.Errorf("listed something, or %v", err)
		}
		i.record(t, products(1)...)
		if f := back.next(t); f.event != "reset" || f.id != "6" {
			t.Errorf("told %+v", f)
		}
	})
}

func TestDoesNotResetForEventsBeforeTheRecording(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) { c.Keep = time.Hour })
	i.record(t, products(1)...)
	old := caused(events.ProductChanged("A", 1))
	old.Time = old.Time.Add(-2 * time.Hour)
	i.record(t, old)
	if head, err := i.store.head(t.Context()); err != nil || head != 1 {
		t.Errorf("the head is %d (%v)", head, err)
	}
}
