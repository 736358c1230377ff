package activity

import (
	"net/url"
	"strings"
	"time"

	"quadrille/pkg/events"
)

// Activity is one event as the gateway noted it.
type Activity struct {
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
func (Activity) TableName() string { return "activity" }

// newActivity is what is noted of an event, but for the customer of an order, which
// only sales knows.
func newActivity(e events.Event) Activity {
	n := Activity{
		Stream: e.Service(), EventID: e.ID, Type: e.Type, Subject: e.Subject, Version: e.Version,
		Correlation: e.CorrelationID, Causation: e.CausationID, Time: e.Time.UTC().Truncate(time.Microsecond),
	}
	if n.Correlation == "" {
		n.Correlation = e.ID // nothing caused it
	}
	if n.isWish() {
		n.Customer, _ = n.splitWish()
	}
	return n
}

// isOrder: its subject is an order.
func (n Activity) isOrder() bool {
	return n.Stream == "sales" || strings.HasPrefix(n.Type, "inventory.order_")
}

// isWish: its subject is a customer and a SKU.
func (n Activity) isWish() bool { return n.Stream == "wishlist" }

// hidesCause: it may be told to somebody who is not to know what it followed from.
// A product changes, and a wish comes true, by other people's orders.
func (n Activity) hidesCause() bool {
	return n.Stream == "catalog" || n.Type == events.WishlistItemAvailable
}

// splitWish takes the subject of a wish apart. A SKU has no slash in it.
func (n Activity) splitWish() (customer, code string) {
	at := max(0, strings.LastIndexByte(n.Subject, '/'))
	return n.Subject[:at], strings.TrimPrefix(n.Subject[at:], "/")
}

// href is where the public API shows the subject.
func (n Activity) href() string {
	const base = "/api/v1"
	switch {
	case n.isOrder():
		return base + "/orders/" + url.PathEscape(n.Subject)
	case n.isWish():
		customer, code := n.splitWish()
		return base + "/customers/" + url.PathEscape(customer) + "/wishlist/" + url.PathEscape(code)
	case n.Stream == "catalog":
		return base + "/products/" + url.PathEscape(n.Subject)
	default:
		return base + "/skus/" + url.PathEscape(n.Subject)
	}
}
