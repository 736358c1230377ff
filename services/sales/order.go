package sales

import (
	"slices"
	"time"

	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/money"
)

// The statuses of an order. A placed order is confirmed or rejected by inventory's
// allocation. A placed or confirmed order can be cancelled, a confirmed one shipped.
const (
	Placed    = "placed"
	Confirmed = "confirmed"
	Rejected  = "rejected"
	Cancelled = "cancelled"
	Shipped   = "shipped"
)

// TimedOut is the reason of an order that was cancelled because it stayed placed for too long.
const TimedOut = "timed_out"

// Order is a customer's order, at the prices when it was placed.
type Order struct {
	ID         string `gorm:"primaryKey"` // UUIDv7: sorts by the time of placing
	ExternalID *string
	Customer   string
	Status     string
	Reason     *string // why the shop cancelled the order itself; nil: a person cancelled it
	Currency   string
	TotalMinor int64
	Version    int64
	PlacedAt   time.Time
	UpdatedAt  time.Time
	OverdueAt  *time.Time // when the order was found confirmed for too long; nil: never
	Lines      []Line     `gorm:"foreignKey:OrderID;references:ID"`
}

// Line is one SKU of an order. Short is the quantity that was missing when the order was
// rejected.
type Line struct {
	OrderID    string `gorm:"primaryKey"`
	N          int    `gorm:"primaryKey"`
	SKU        string `gorm:"column:sku"`
	Title      string
	Quantity   int64
	PriceMinor int64
	Short      int64
}

// TableName implements gorm's Tabler.
func (Line) TableName() string { return "order_lines" }

// Total returns the price of the order.
func (o *Order) Total() money.Money { return money.Money{Minor: o.TotalMinor, Currency: o.Currency} }

// Allocation is inventory's result for an order. Short maps SKUs to missing quantities.
type Allocation struct {
	OrderID string
	Status  string // inventory's status: allocated, rejected, released, shipped
	Short   map[string]int64
}

// asPlaced returns the order as it was when it was placed.
func (o Order) asPlaced() Order {
	o.Status, o.Version, o.UpdatedAt, o.Reason, o.OverdueAt = Placed, 1, o.PlacedAt, nil, nil
	o.Lines = slices.Clone(o.Lines)
	for n := range o.Lines {
		o.Lines[n].Short = 0
	}
	return o
}

// draft returns the request from which the order was placed.
func (o Order) draft() Draft {
	d := Draft{Customer: o.Customer, ExternalID: o.ExternalID, Lines: make([]DraftLine, len(o.Lines))}
	for n, l := range o.Lines {
		d.Lines[n] = DraftLine{SKU: l.SKU, Quantity: l.Quantity}
	}
	return d
}

// Settle confirms or rejects a placed order by its allocation and reports whether the
// order changed. Orders in other statuses stay as they are.
func (o *Order) Settle(a Allocation, now time.Time) bool {
	if o.Status != Placed {
		return false
	}
	switch a.Status {
	case "allocated", "shipped":
		o.move(Confirmed, now)
	case "rejected":
		o.move(Rejected, now)
		for i := range o.Lines {
			o.Lines[i].Short = a.Short[o.Lines[i].SKU]
		}
	default:
		return false
	}
	return true
}

// Cancel cancels the order and reports whether that changed it.
func (o *Order) Cancel(now time.Time) (bool, error) {
	switch o.Status {
	case Cancelled:
		return false, nil
	case Placed, Confirmed:
		o.move(Cancelled, now)
		return true, nil
	default:
		return false, fault.New(fault.Conflict, "order_not_cancellable", "the order is %s; only a placed or confirmed order can be cancelled", o.Status)
	}
}

// Ship ships the order and reports whether that changed it.
func (o *Order) Ship(now time.Time) (bool, error) {
	switch o.Status {
	case Shipped:
		return false, nil
	case Confirmed:
		o.move(Shipped, now)
		return true, nil
	default:
		return false, fault.New(fault.Conflict, "order_not_confirmed", "the order is %s; only a confirmed order can be shipped", o.Status)
	}
}

// TimeOut cancels the order if it is still placed, and reports whether that changed it.
func (o *Order) TimeOut(now time.Time) bool {
	if o.Status != Placed {
		return false
	}
	reason := TimedOut
	o.Reason = &reason
	o.move(Cancelled, now)
	return true
}

// Remind marks the order as overdue if it is still confirmed, once, and reports whether that
// changed it. The order stays confirmed, at a new version.
func (o *Order) Remind(now time.Time) bool {
	if o.Status != Confirmed || o.OverdueAt != nil {
		return false
	}
	o.OverdueAt = &now
	o.move(Confirmed, now)
	return true
}

func (o *Order) move(status string, now time.Time) {
	o.Status, o.UpdatedAt = status, now
	o.Version++
}

// News returns the event for the last change of the order.
func (o *Order) News() events.Event {
	if o.OverdueAt != nil && o.Status == Confirmed { // nothing but Ship and Cancel follows Remind
		return events.OrderChanged(events.SalesOrderOverdue, o.ID, o.Version)
	}
	return events.OrderChanged("sales.order_"+o.Status, o.ID, o.Version)
}
