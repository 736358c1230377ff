package wishlist

import (
	"quadrille/internal/shop/stockcopy"
)

// stockCopies consumes inventory's stream. It keeps wishlist's copy of stock and notifies the
// wishes for SKUs that become available.
func stockCopies(s *store, inventory stockcopy.Source) *stockcopy.Copies {
	return stockcopy.New(s.db, inventory, s.stockChanged)
}
