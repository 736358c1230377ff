package wishlist

import (
	"quadrille/internal/shop/stockcopy"
)

// stockFollower keeps wishlist's copy of stock, and notices what came.
func stockFollower(s *store, inventory stockcopy.Source) *stockcopy.Follower {
	return &stockcopy.Follower{DB: s.db, Inventory: inventory, Changed: s.stockChanged}
}
