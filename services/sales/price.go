package sales

import "time"

// Price is sales' copy of a product: what it costs, at catalog's version of it.
type Price struct {
	SKU        string `gorm:"column:sku;primaryKey"`
	Title      string
	PriceMinor int64
	Currency   string
	Version    int64
	Withdrawn  bool
	UpdatedAt  time.Time
}
