package catalog

import (
	"quadrille/internal/shop/stockcopy"
)

// stockCopies keeps catalog's copy of stock, and with it what its products show.
func stockCopies(s *store, inventory stockcopy.Source) *stockcopy.Copies {
	return stockcopy.New(s.db, inventory, s.stockChanged)
}
