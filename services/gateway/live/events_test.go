package live

import (
	"testing"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

func TestAClientIsToldWhatHappensFromNowOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		i.note(t, products(3)...)
		c, hello := i.listen(t, "", as("ann", "customer"))
		if hello.data != `{"seq":3,"subject":"ann","roles":["customer"]}` || hello.id != "3" {
			t.Errorf("hello is %+v", hello)
		}
		placed := sales.placed("o1", "ann")
		i.note(t, sales.placed("o2", "bob"), placed)
		f := c.next(t)
		if f.id != "5" || f.event != events.SalesOrderPlaced {
			t.Errorf("told %+v", f)
		}
		want := body{
			Seq: 5, ID: placed.ID, Type: placed.Type, Service: "sales", Subject: "o1", Version: 1, Customer: "ann",
			Correlation: placed.ID, Time: placed.Time, Href: "/api/v1/orders/o1",
		}
		if got := f.told(t); got != want {
			t.Errorf("told %+v\nwant %+v", got, want)
		}
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
			if got := c.answer.Header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	})
}

func TestAClientComesBackToWhereItWas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales())
		i.note(t, products(10)...)
		c, hello := i.listen(t, "", after(anonymous(), 4))
		if hello.id != "4" {
			t.Errorf("a reconnect right after the hello would go on after %s", hello.id)
		}
		i.note(t, products(3)...)
		for want, f := range c.some(t, 9) {
			if f.seq(t) != int64(want+5) {
				t.Errorf("told %+v, want %d", f, want+5)
			}
		}
		c, _ = i.listen(t, "last_event_id=12", anonymous())
		if f := c.next(t); f.id != "13" {
			t.Errorf("told %+v", f)
		}
	})
}
