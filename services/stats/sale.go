package stats

import "time"

// The statuses of an order at sales that are counted.
const (
	Confirmed = "confirmed"
	Rejected  = "rejected"
	Cancelled = "cancelled"
	Shipped   = "shipped"
)

// sold returns the statuses of orders whose units and revenue count.
func sold() []string { return []string{Confirmed, Shipped} }

// Order is stats' copy of an order: what its figures are made of.
type Order struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	Currency   string
	TotalMinor int64 // of all lines, in minor units
	Units      int64
	Day        string // UTC, YYYY-MM-DD
	PlacedAt   time.Time
	Version    int64  // sales' version of it
	Lines      []Line `gorm:"foreignKey:OrderID"`
}

// Line is what an order says of one SKU. Lines do not change once it is placed.
type Line struct {
	OrderID    string `gorm:"primaryKey"`
	SKU        string `gorm:"column:sku;primaryKey"`
	Title      string
	Units      int64
	TotalMinor int64
}

// TableName implements gorm's Tabler.
func (Line) TableName() string { return "order_lines" }

// Revenue is minor units by currency.
type Revenue map[string]int64

// Summary is the figures of all orders.
type Summary struct {
	Orders  int64
	Status  map[string]int64 // orders by present status
	Units   int64            // sold
	Revenue Revenue          // of what was sold
}

// Daily is what was sold on a day in a currency.
type Daily struct {
	Day      string
	Currency string
	Orders   int64
	Units    int64
	Minor    int64
}

// Top is how much of a SKU was sold in a currency.
type Top struct {
	SKU      string `gorm:"column:sku"`
	Title    string
	Currency string
	Units    int64
	Minor    int64
}
