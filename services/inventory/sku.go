package inventory

import (
	"time"

	"quadrille/pkg/fault"
)

// MaxOnHand bounds the stock of one SKU, so that no sum of quantities overflows an int64.
const MaxOnHand = 1_000_000_000_000

// SKU is the stock of one stock-keeping unit, in pieces.
// OnHand = Received + Adjusted - Shipped and OnHand >= Reserved >= 0, always;
// the database holds the same as constraints.
type SKU struct {
	Code      string `gorm:"primaryKey"`
	Received  int64
	Adjusted  int64
	Shipped   int64
	OnHand    int64
	Reserved  int64
	Version   int64
	UpdatedAt time.Time
}

// TableName implements gorm's Tabler.
func (SKU) TableName() string { return "skus" }

// Available returns the quantity that can still be promised.
func (s *SKU) Available() int64 { return s.OnHand - s.Reserved }

// Move takes a receipt or an adjustment into the stock.
func (s *SKU) Move(m Movement) error {
	after := s.OnHand + m.Quantity
	switch {
	case after > MaxOnHand:
		return fault.New(fault.Invalid, "stock_too_large", "%s: %d on hand would exceed the maximum of %d", s.Code, after, int64(MaxOnHand))
	case after < s.Reserved:
		return fault.New(fault.Invalid, "stock_reserved", "%s: %d on hand would be less than the %d reserved for orders", s.Code, after, s.Reserved)
	}
	if m.Kind == Receipt {
		s.Received += m.Quantity
	} else {
		s.Adjusted += m.Quantity
	}
	s.OnHand = after
	return nil
}

func (s *SKU) reserve(quantity int64) { s.Reserved += quantity }
func (s *SKU) release(quantity int64) { s.Reserved -= quantity }

func (s *SKU) ship(quantity int64) {
	s.Reserved -= quantity
	s.Shipped += quantity
	s.OnHand -= quantity
}
