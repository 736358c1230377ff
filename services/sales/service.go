package sales

import (
	"context"
	"errors"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
	"quadrille/pkg/sku"
	catalogclient "quadrille/services/catalog/client"
)

// productSource returns products by SKU; catalog's client implements it.
type productSource interface {
	Products(ctx context.Context, skus []string) ([]catalogclient.Product, error)
}

// Service implements the operations of sales. Its methods are safe for concurrent use. They
// return faults, or errors of the database.
type Service struct {
	store    *store
	catalog  productSource
	wake     func() // wakes the relay after a commit
	inFlight rest.InFlight
}

// Place places an order. A call with an idempotency key or an external ID can be repeated
// safely: it returns the order of the first response, and replayed is true.
func (s *Service) Place(ctx context.Context, key *string, d Draft) (o Order, replayed bool, err error) {
	if key != nil && !printable(*key) {
		return o, false, fault.New(fault.Invalid, "idempotency_key_invalid", "the Idempotency-Key contains unprintable characters").
			With("#/header/Idempotency-Key", "contains unprintable characters")
	}
	if d, err = d.Normalize(); err != nil {
		return o, false, err
	}
	fingerprint, err := d.Fingerprint()
	if err != nil {
		return o, false, err
	}
	keys := keysOf(key, d)
	for _, k := range keys {
		done, err := s.inFlight.Begin(k.Scope + "\x00" + k.Key)
		if err != nil {
			return o, false, err
		}
		defer done()
	}
	if o, err = s.place(ctx, d, keys, fingerprint); err == nil {
		s.wake()
		return o, false, nil
	}
	return s.replay(ctx, keys, fingerprint, err)
}

// replay returns the response stored under one of keys, whatever failed now: a product may
// have been withdrawn since, or catalog may be unavailable. Place looks for a stored response
// only after a failure, because most orders are new.
func (s *Service) replay(ctx context.Context, keys []idempotencyKey, fingerprint string, failed error) (o Order, replayed bool, err error) {
	o, found, err := s.store.Answer(ctx, keys, fingerprint)
	switch {
	case found || err != nil:
		return o, found, err
	case errors.Is(failed, errInFlight):
		return o, false, rest.ErrInFlight()
	case errors.Is(failed, errAnswered): // without a stored response: the order's external ID is taken
		return o, false, keys[len(keys)-1].reused()
	default:
		return o, false, failed
	}
}

func keysOf(key *string, d Draft) (keys []idempotencyKey) {
	if key != nil {
		keys = append(keys, idempotencyKey{Scope: scopeHeader, Key: *key})
	}
	if d.ExternalID != nil {
		keys = append(keys, idempotencyKey{Scope: scopeExternalID, Key: *d.ExternalID})
	}
	return keys
}

func (s *Service) place(ctx context.Context, d Draft, keys []idempotencyKey, fingerprint string) (Order, error) {
	prices, err := s.prices(ctx, d.SKUs())
	if err != nil {
		return Order{}, err
	}
	o, err := d.Place(prices, s.store.now())
	if err != nil {
		return o, err
	}
	return o, s.store.Place(ctx, o, keys, fingerprint)
}

// prices returns the copied prices of the SKUs. It fetches missing ones from catalog and
// stores their copies.
func (s *Service) prices(ctx context.Context, skus []string) (map[string]Price, error) {
	prices, err := s.store.Prices(ctx, skus)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, code := range skus {
		if _, known := prices[code]; !known {
			missing = append(missing, code)
		}
	}
	if len(missing) == 0 {
		return prices, nil
	}
	found, err := s.catalog.Products(ctx, missing)
	if err != nil { // whatever failed between sales and catalog, the caller can only retry
		return nil, errors.Join(fault.New(fault.Unavailable, "catalog_unavailable", "catalog, which has the prices, is unavailable; try again"), err)
	}
	fetched := make([]Price, len(found))
	for i, p := range found {
		if fetched[i], err = priceOf(p); err != nil {
			return nil, err
		}
		prices[p.Sku] = fetched[i]
	}
	return prices, s.store.KeepPrices(ctx, fetched)
}

// match returns an error if the order's version is not the one that the caller expects.
type match func(version int64) error

// Cancel cancels an order.
func (s *Service) Cancel(ctx context.Context, id string, match match) (Order, error) {
	return s.change(ctx, id, match, func(o *Order) (bool, error) { return o.Cancel(s.store.now()) })
}

// Ship ships an order.
func (s *Service) Ship(ctx context.Context, id string, match match) (Order, error) {
	return s.change(ctx, id, match, func(o *Order) (bool, error) { return o.Ship(s.store.now()) })
}

func (s *Service) change(ctx context.Context, id string, match match, change func(*Order) (bool, error)) (Order, error) {
	o, changed, err := s.store.Change(ctx, id, func(o *Order) (bool, error) {
		if err := match(o.Version); err != nil {
			return false, err
		}
		return change(o)
	})
	if changed && err == nil {
		s.wake()
	}
	return o, err
}

// Order returns one order by its ID.
func (s *Service) Order(ctx context.Context, id string) (Order, error) { return s.store.Order(ctx, id) }

// Orders lists up to limit orders that follow the ID after, in the direction of q.
func (s *Service) Orders(ctx context.Context, q Query, after string, limit int) ([]Order, error) {
	return s.store.Orders(ctx, q, after, limit)
}

// Prices lists up to limit copies of catalog's products after the SKU after.
func (s *Service) Prices(ctx context.Context, codes []string, after string, limit int) ([]Price, error) {
	codes, err := sku.NormalizeAll(codes)
	if err != nil {
		return nil, err
	}
	return s.store.ListPrices(ctx, codes, after, limit)
}
