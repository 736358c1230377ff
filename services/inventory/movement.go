package inventory

import (
	"time"
	"unicode/utf8"

	"quadrille/pkg/fault"
	"quadrille/pkg/sku"
)

// The kinds of movement. Each has external IDs of its own.
const (
	Receipt    = "receipt"
	Adjustment = "adjustment"
)

// Bounds of a movement, the same in a request and in a file. openapi.yaml names
// them too.
const (
	MaxQuantity   = 1_000_000_000 // pieces, either way
	MaxExternalID = 200           // characters
)

// Movement is a change of stock reported from outside. It is stored under an external ID,
// so that a repeated report has no further effect.
type Movement struct {
	Kind       string `gorm:"primaryKey"`
	ExternalID string `gorm:"primaryKey"`
	SKU        string `gorm:"column:sku"`
	Quantity   int64  // signed for an adjustment
	Reason     string
	MovedAt    time.Time
}

// check normalises the movement's SKU. It returns a fault (Invalid) if a field is
// invalid.
func (m *Movement) check() error {
	code, err := sku.Normalize(m.SKU)
	if err != nil {
		return err
	}
	m.SKU = code
	switch {
	case m.ExternalID == "":
		return fault.New(fault.Invalid, "external_id_missing", "a movement needs an external_id").With("/external_id", "is empty")
	case utf8.RuneCountInString(m.ExternalID) > MaxExternalID:
		return fault.New(fault.Invalid, "external_id_too_long", "external_id is longer than %d characters", MaxExternalID).With("/external_id", "is longer than %d characters", MaxExternalID)
	case m.Kind == Receipt && m.Quantity < 1:
		return fault.New(fault.Invalid, "quantity_invalid", "a receipt must have at least 1 piece").With("/quantity", "is %d", m.Quantity)
	case m.Kind == Adjustment && m.Quantity == 0:
		return fault.New(fault.Invalid, "delta_zero", "an adjustment by 0 changes nothing").With("/delta", "is 0")
	case m.Quantity > MaxQuantity || m.Quantity < -MaxQuantity:
		return fault.New(fault.Invalid, "quantity_invalid", "a movement may have at most %d pieces", int64(MaxQuantity))
	}
	return nil
}

// sameAs reports whether other repeats the movement.
func (m Movement) sameAs(other Movement) bool {
	return m.SKU == other.SKU && m.Quantity == other.Quantity && m.Reason == other.Reason
}

// conflict returns the fault for an external ID that another movement has.
func (m Movement) conflict() error {
	return fault.New(fault.Conflict, "external_id_reused",
		"%s %q is already recorded with other contents", m.Kind, m.ExternalID).With("/external_id", "was used before")
}
