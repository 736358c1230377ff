package catalog

import (
	"quadrille/internal/shop/stockcopy"
)

// stockCopies consumes inventory's stream. It keeps catalog's copy of stock and updates the
// products that show it.
func stockCopies(s *store, inventory stockcopy.Source) *stockcopy.Copies {
	return stockcopy.New(s.db, inventory, s.stockChanged)
}
