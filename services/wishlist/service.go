package wishlist

import (
	"context"

	"quadrille/internal/shop/stockcopy"
	"quadrille/pkg/sku"
)

// Service implements the operations of wishlist. Its methods are safe for concurrent use.
// They return faults, or errors of the database.
type Service struct {
	store *store
	wake  func() // wakes the relay after a commit
}

// Wish adds a SKU to a customer's list; created is false if it was there.
func (s *Service) Wish(ctx context.Context, customer, code string) (item Item, created bool, err error) {
	if code, err = sku.Normalize(code); err != nil {
		return item, false, err
	}
	item, created, err = s.store.Wish(ctx, customer, code)
	if created && err == nil {
		s.wake()
	}
	return item, created, err
}

// Remove removes a SKU from a customer's list.
func (s *Service) Remove(ctx context.Context, customer, code string) error {
	code, err := sku.Normalize(code)
	if err != nil {
		return err
	}
	return s.store.Remove(ctx, customer, code)
}

// Item returns one wish.
func (s *Service) Item(ctx context.Context, customer, code string) (Item, error) {
	code, err := sku.Normalize(code)
	if err != nil {
		return Item{}, err
	}
	return s.store.Item(ctx, customer, code)
}

// Items lists up to limit wishes of a customer, by SKU, after the SKU after.
func (s *Service) Items(ctx context.Context, customer, after string, limit int) ([]Item, error) {
	return s.store.Items(ctx, customer, after, limit)
}

// Stock lists up to limit copies of inventory's SKUs after the SKU after.
func (s *Service) Stock(ctx context.Context, codes []string, after string, limit int) ([]stockcopy.Copy, error) {
	return stockcopy.List(ctx, s.store.db, codes, after, limit)
}
