package stats

import "time"

// Statuses of sales' orders that the figures count.
const (
	Confirmed = "confirmed"
	Rejected  = "rejected"
	Cancelled = "cancelled"
	Shipped   = "shipped"
)

// sold returns the statuses of orders whose units and revenue count.
func sold() []string { return []string{Confirmed, Shipped} }

// Order is stats' copy of an order.
type Order struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	Currency   string
	TotalMinor int64 // of all lines
	Units      int64
	Day        string // UTC, YYYY-MM-DD
	PlacedAt   time.Time
	Version    int64  // sales' version of the order
	Lines      []Line `gorm:"foreignKey:OrderID"`
}

// Line is one SKU of an order. Lines do not change after the order is placed.
type Line struct {
	OrderID    string `gorm:"primaryKey"`
	SKU        string `gorm:"column:sku;primaryKey"`
	Title      string
	Units      int64
	TotalMinor int64
}

// TableName implements gorm's Tabler.
func (Line) TableName() string { return "order_lines" }

// Revenue maps currencies to minor units.
type Revenue map[string]int64

// Summary holds the figures of all orders.
type Summary struct {
	Orders  int64
	Status  map[string]int64 // number of orders by status
	Units   int64            // in confirmed and shipped orders
	Revenue Revenue          // of confirmed and shipped orders
}

// Daily holds the sales of one day in one currency.
type Daily struct {
	Day      string
	Currency string
	Orders   int64
	Units    int64
	Minor    int64
}

// Top holds the sales of one SKU in one currency.
type Top struct {
	SKU      string `gorm:"column:sku"`
	Title    string
	Currency string
	Units    int64
	Minor    int64
}
