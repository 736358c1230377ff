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

// Order is what inventory needs to know of an order at sales.
type Order struct {
	ID      string
	Version int64
	Status  string // sales' own: placed, confirmed, rejected, cancelled, shipped
	Lines   []Line
}

// Line is a quantity of one SKU. Short is how many of it were missing when the
// order was rejected.
type Line struct {
	OrderID  string `gorm:"primaryKey"`
	SKU      string `gorm:"column:sku;primaryKey"`
	Quantity int64
	Short    int64
}

// TableName implements gorm's Tabler.
func (Line) TableName() string { return "allocation_lines" }

// Allocation is what inventory did for one order. It is kept under the order's
// ID with the order's version, so that an order told twice, or late, counts once.
type Allocation struct {
	OrderID      string `gorm:"primaryKey"`
	OrderVersion int64
	Status       string
	Version      int64
	UpdatedAt    time.Time
	Lines        []Line `gorm:"foreignKey:OrderID;references:OrderID"`
}

// Stock is the SKUs that the orders at hand name, by code. An SKU that inventory
// never saw is not in it.
type Stock map[string]*SKU

// Follow brings the allocation to where the order is now and reports whether it
// changed. It looks at the order's state, not at the way there, so events may be
// doubled, late or missed in between. An allocation without a status is new.
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

// allocate reserves every line or none.
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

// cancel gives back what is reserved. An order cancelled before it was ever
// allocated is remembered as released, so that it never will be.
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
