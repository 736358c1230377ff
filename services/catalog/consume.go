package catalog

import (
	"quadrille/internal/shop/stockcopy"
)

// stockFollower keeps catalog's copy of stock, and with it what its products show.
func stockFollower(s *store, inventory stockcopy.Source) *stockcopy.Follower {
	return &stockcopy.Follower{DB: s.db, Inventory: inventory, Changed: s.stockChanged}
}
