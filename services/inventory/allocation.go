package inventory

import (
	"slices"
	"strings"
	"time"
)

// The life of an allocation.
const (
	Allocated = "allocated"
	Rejected  = "rejected"
	Released  = "released"
	Shipped   = "shipped"
)

// Order is the part of a sales order that inventory needs.
type Order struct {
	ID      string
	Version int64
	Status  string // sales' own: placed, confirmed, rejected, cancelled, shipped
	Lines   []Line
}

// Line is a quantity of one SKU. Short is the missing quantity of a rejected order.
type Line struct {
	OrderID  string `gorm:"primaryKey"`
	SKU      string `gorm:"column:sku;primaryKey"`
	Quantity int64
	Short    int64
}

// TableName implements gorm's Tabler.
func (Line) TableName() string { return "allocation_lines" }

// Allocation records the stock reserved for one order. It has the order's ID and version,
// so that duplicate and late events have no further effect.
type Allocation struct {
	OrderID      string `gorm:"primaryKey"`
	OrderVersion int64
	Status       string
	Version      int64
	UpdatedAt    time.Time
	Lines        []Line `gorm:"foreignKey:OrderID;references:OrderID"`
}

// Stock maps codes to the SKUs of a batch of orders. It lacks SKUs without any stock
// movement.
type Stock map[string]*SKU

// Follow updates the allocation to the order's current state and reports whether it
// changed. It compares states and not events, so events may be duplicated, late or
// missing. An allocation without a status is new.
func (a *Allocation) Follow(o Order, stock Stock) (changed bool) {
	if o.Version <= a.OrderVersion {
		return false
	}
	before := a.Status
	a.OrderID, a.OrderVersion = o.ID, o.Version
	switch o.Status {
	case "placed", "confirmed":
		a.allocate(o, stock)
	case "cancelled":
		a.cancel(o, stock)
	case "shipped":
		a.allocate(o, stock)
		a.ship(stock)
	}
	if a.Status == before {
		return false
	}
	a.Version++
	return true
}

// allocate reserves the stock of all lines, or of none and rejects the order.
func (a *Allocation) allocate(o Order, stock Stock) {
	if a.Status != "" {
		return
	}
	a.Lines = linesOf(o)
	a.Status = Allocated
	for i := range a.Lines {
		if missing := a.Lines[i].Quantity - stock.available(a.Lines[i].SKU); missing > 0 {
			a.Lines[i].Short = missing
			a.Status = Rejected
		}
	}
	if a.Status == Allocated {
		a.each(stock, (*SKU).reserve)
	}
}

// cancel releases the reserved stock. An order that is cancelled before its allocation is
// recorded as released, so that it is never allocated.
func (a *Allocation) cancel(o Order, stock Stock) {
	switch a.Status {
	case "":
		a.Lines = linesOf(o)
	case Allocated:
		a.each(stock, (*SKU).release)
	case Shipped:
		return
	}
	a.Status = Released
}

func (a *Allocation) ship(stock Stock) {
	if a.Status == Allocated {
		a.each(stock, (*SKU).ship)
		a.Status = Shipped
	}
}

func (a *Allocation) each(stock Stock, move func(*SKU, int64)) {
	for _, l := range a.Lines {
		move(stock[l.SKU], l.Quantity)
	}
}

func (s Stock) available(code string) int64 {
	if sku, ok := s[code]; ok {
		return sku.Available()
	}
	return 0
}

// linesOf returns the order's lines in SKU order, one for each SKU.
func linesOf(o Order) []Line {
	bySKU := map[string]int64{}
	for _, l := range o.Lines {
		bySKU[l.SKU] += l.Quantity
	}
	lines := make([]Line, 0, len(bySKU))
	for sku, quantity := range bySKU {
		lines = append(lines, Line{OrderID: o.ID, SKU: sku, Quantity: quantity})
	}
	slices.SortFunc(lines, func(x, y Line) int { return strings.Compare(x.SKU, y.SKU) })
	return lines
}
