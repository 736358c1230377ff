package activity

import (
	"net/url"
	"strings"
	"time"

	"quadrille/pkg/events"
)

// Note is one event as the gateway noted it.
type Note struct {
	Seq         int64 `gorm:"primaryKey"` // gap-free, in the order of the commits; from 1
	Stream      string
	EventID     string
	Type        string
	Subject     string
	Version     int64
	Customer    string // whose order or wish it is; empty: nobody's, or not known
	Correlation string
	Causation   string
	Time        time.Time // when it happened, UTC
	SeenAt      time.Time // when it was noted, UTC
}

// TableName is gorm's.
func (Note) TableName() string { return "activity" }

// noteOf is what is noted of an event, but for the customer of an order, which
// only sales knows.
func noteOf(e events.Event) Note {
	n := Note{
		Stream: e.Service(), EventID: e.ID, Type: e.Type, Subject: e.Subject, Version: e.Version,
		Correlation: e.CorrelationID, Causation: e.CausationID, Time: e.Time.UTC().Truncate(time.Microsecond),
	}
	if n.Correlation == "" {
		n.Correlation = e.ID // nothing caused it
	}
	if n.ofWish() {
		n.Customer, _ = n.wish()
	}
	return n
}

// ofOrder: its subject is an order.
func (n Note) ofOrder() bool {
	return n.Stream == "sales" || strings.HasPrefix(n.Type, "inventory.order_")
}

// ofWish: its subject is a customer and a SKU.
func (n Note) ofWish() bool { return n.Stream == "wishlist" }

// othersDoing: it may be told to somebody who is not to know what it followed from.
// A product changes, and a wish comes true, by other people's orders.
func (n Note) othersDoing() bool {
	return n.Stream == "catalog" || n.Type == events.WishlistItemAvailable
}

// wish takes the subject of a wish apart. A SKU has no slash in it.
func (n Note) wish() (customer, code string) {
	at := max(0, strings.LastIndexByte(n.Subject, '/'))
	return n.Subject[:at], strings.TrimPrefix(n.Subject[at:], "/")
}

// href is where the public API shows the subject.
func (n Note) href() string {
	const base = "/api/v1"
	switch {
	case n.ofOrder():
		return base + "/orders/" + url.PathEscape(n.Subject)
	case n.ofWish():
		customer, code := n.wish()
		return base + "/customers/" + url.PathEscape(customer) + "/wishlist/" + url.PathEscape(code)
	case n.Stream == "catalog":
		return base + "/products/" + url.PathEscape(n.Subject)
	default:
		return base + "/skus/" + url.PathEscape(n.Subject)
	}
}
