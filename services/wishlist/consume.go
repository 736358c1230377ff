package wishlist

import (
	"quadrille/internal/shop/stockcopy"
)

// stockCopies keeps wishlist's copy of stock, and notices what came.
func stockCopies(s *store, inventory stockcopy.Source) *stockcopy.Copies {
	return stockcopy.New(s.db, inventory, s.stockChanged)
}
