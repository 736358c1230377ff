package activity

import (
	"net/url"
	"strings"
	"time"

	"quadrille/pkg/events"
)

// Activity is one recorded event.
type Activity struct {
	Seq         int64 `gorm:"primaryKey"` // gap-free, in the order of the commits; from 1
	Stream      string
	EventID     string
	Type        string
	Subject     string
	Version     int64
	Customer    string // the order's or wish's customer; empty: none, or not known
	Correlation string
	Causation   string
	Time        time.Time // when the event happened, UTC
	SeenAt      time.Time // when it was recorded, UTC
}

// TableName implements gorm's Tabler.
func (Activity) TableName() string { return "activity" }

// newActivity records an event. Only sales knows the customer of an order: that one is
// filled in later.
func newActivity(e events.Event) Activity {
	n := Activity{
		Stream: e.Service(), EventID: e.ID, Type: e.Type, Subject: e.Subject, Version: e.Version,
		Correlation: e.CorrelationID, Causation: e.CausationID, Time: e.Time.UTC().Truncate(time.Microsecond),
	}
	if n.Correlation == "" {
		n.Correlation = e.ID // it has no cause
	}
	if n.isWish() {
		n.Customer, _ = n.splitWish()
	}
	return n
}

// isOrder reports whether the subject is an order.
func (n Activity) isOrder() bool {
	return n.Stream == "sales" || strings.HasPrefix(n.Type, "inventory.order_")
}

// isWish reports whether the subject is a customer and a SKU.
func (n Activity) isWish() bool { return n.Stream == "wishlist" }

// hidesCause reports whether unprivileged callers must not learn the cause: a product
// changes, and a wish comes true, by other customers' orders.
func (n Activity) hidesCause() bool {
	return n.Stream == "catalog" || n.Type == events.WishlistItemAvailable
}

// splitWish splits the subject of a wish. A SKU contains no slash.
func (n Activity) splitWish() (customer, code string) {
	at := max(0, strings.LastIndexByte(n.Subject, '/'))
	return n.Subject[:at], strings.TrimPrefix(n.Subject[at:], "/")
}

// href returns the path of the subject in the public API.
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
