package catalog

import (
	"context"

	"quadrille/internal/shop/stockcopy"
	"quadrille/pkg/events"
	"quadrille/pkg/sku"
)

// Service implements the operations of catalog. Its methods are safe for concurrent use.
// They return faults, or errors of the database.
type Service struct {
	store *store
	wake  func() // wakes the relay after a commit
}

// match returns an error if the product's version is not the one that the caller expects.
// A product that is not on offer has version 0.
type match func(version int64) error

// Put offers a product at terms. created is false if it was on offer before.
func (s *Service) Put(ctx context.Context, code string, t Terms, match match) (p Product, created bool, err error) {
	if code, err = sku.Normalize(code); err != nil {
		return p, false, err
	}
	var changed bool
	p, err = s.store.Change(ctx, code, func(p *Product) (bool, error) {
		if err := match(versionOf(p)); err != nil {
			return false, err
		}
		created, changed = p.Offer(t, s.store.now())
		return changed, nil
	}, events.ProductChanged)
	if changed && err == nil {
		s.wake()
	}
	return p, created, err
}

// Withdraw withdraws a product.
func (s *Service) Withdraw(ctx context.Context, code string, match match) error {
	code, err := sku.Normalize(code)
	if err != nil {
		return err
	}
	_, err = s.store.Change(ctx, code, func(p *Product) (bool, error) {
		if !p.Exists() {
			return false, unknown(code)
		}
		if err := match(p.Version); err != nil {
			return false, err
		}
		return true, p.Withdraw(s.store.now())
	}, events.ProductWithdrawn)
	if err == nil {
		s.wake()
	}
	return err
}

func versionOf(p *Product) int64 {
	if p.Exists() {
		return p.Version
	}
	return 0
}

// Product returns one product that is on offer.
func (s *Service) Product(ctx context.Context, code string) (Product, error) {
	code, err := sku.Normalize(code)
	if err != nil {
		return Product{}, err
	}
	return s.store.Product(ctx, code)
}

// Products lists up to limit products, by SKU, after the SKU after.
func (s *Service) Products(ctx context.Context, q Query, after string, limit int) (found []Product, err error) {
	if q.SKUs, err = sku.NormalizeAll(q.SKUs); err != nil {
		return nil, err
	}
	q.Text = Fold(q.Text)
	return s.store.Products(ctx, q, after, limit)
}

// Stock lists up to limit copies of inventory's SKUs after the SKU after.
func (s *Service) Stock(ctx context.Context, codes []string, after string, limit int) ([]stockcopy.Copy, error) {
	return stockcopy.List(ctx, s.store.db, codes, after, limit)
}
