package audit

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"quadrille/internal/platform/ops"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	statsclient "quadrille/services/stats/client"
	wishlistclient "quadrille/services/wishlist/client"
)

// Config selects the shop to audit.
type Config struct {
	URL      func(service string) string
	Services []string
	HTTP     *http.Client // nil: http.DefaultClient
	// Optional names the services that publish nothing, and so may be absent.
	Optional []string
	// Absent names the services that the audit leaves out because they do not run.
	Absent []string
}

func (c Config) client() *http.Client {
	if c.HTTP == nil {
		return http.DefaultClient
	}
	return c.HTTP
}

// snapshot holds the data of all services, keyed by ID.
type snapshot struct {
	skus          map[string]inventoryclient.Sku
	allocations   map[string]inventoryclient.Allocation
	products      map[string]catalogclient.Product
	catalogStock  map[string]catalogclient.Stock
	wishlistStock map[string]wishlistclient.Stock
	orders        map[string]salesclient.Order
	prices        map[string]salesclient.Price
	statsOrders   map[string]statsclient.Order // nil if stats does not run
	subscriptions map[string]ops.Subscriptions
}

// take reads all data of all services concurrently.
func take(ctx context.Context, cfg Config) (*snapshot, error) {
	hc := cfg.client()
	inventory, err := inventoryclient.New(cfg.URL("inventory"), hc)
	if err != nil {
		return nil, fmt.Errorf("INVENTORY_URL: %w", err)
	}
	catalog, err := catalogclient.New(cfg.URL("catalog"), hc)
	if err != nil {
		return nil, fmt.Errorf("CATALOG_URL: %w", err)
	}
	wishlist, err := wishlistclient.New(cfg.URL("wishlist"), hc)
	if err != nil {
		return nil, fmt.Errorf("WISHLIST_URL: %w", err)
	}
	sales, err := salesclient.New(cfg.URL("sales"), hc)
	if err != nil {
		return nil, fmt.Errorf("SALES_URL: %w", err)
	}
	stats, err := statsclient.New(cfg.URL("stats"), hc)
	if err != nil {
		return nil, fmt.Errorf("STATS_URL: %w", err)
	}
	n := &snapshot{}
	group, ctx := errgroup.WithContext(ctx)
	gather(group, "inventory's SKUs", &n.skus, inventory.AllSKUs(ctx), func(s inventoryclient.Sku) string { return s.Code })
	gather(group, "inventory's allocations", &n.allocations, inventory.AllAllocations(ctx), func(a inventoryclient.Allocation) string { return a.Order })
	gather(group, "catalog's products", &n.products, catalog.AllProducts(ctx), func(p catalogclient.Product) string { return p.Sku })
	gather(group, "catalog's stock", &n.catalogStock, catalog.AllStock(ctx), func(s catalogclient.Stock) string { return s.Sku })
	gather(group, "wishlist's stock", &n.wishlistStock, wishlist.AllStock(ctx), func(s wishlistclient.Stock) string { return s.Sku })
	gather(group, "sales' orders", &n.orders, sales.AllOrders(ctx), func(o salesclient.Order) string { return o.Id })
	gather(group, "sales' prices", &n.prices, sales.AllPrices(ctx), func(p salesclient.Price) string { return p.Sku })
	group.Go(func() (err error) {
		n.subscriptions, err = readSubscriptions(ctx, cfg, hc)
		return err
	})
	if !slices.Contains(cfg.Absent, "stats") {
		gather(group, "stats' orders", &n.statsOrders, stats.AllOrders(ctx), func(o statsclient.Order) string { return o.Id })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return n, nil
}

// gather reads a whole list in the background. An item that is listed twice counts once.
func gather[T any](group *errgroup.Group, what string, into *map[string]T, list iter.Seq2[T, error], key func(T) string) {
	group.Go(func() error {
		*into = map[string]T{}
		for item, err := range list {
			if err != nil {
				return fmt.Errorf("read %s: %w", what, err)
			}
			(*into)[key(item)] = item
		}
		return nil
	})
}

func readSubscriptions(ctx context.Context, cfg Config, hc *http.Client) (map[string]ops.Subscriptions, error) {
	all := map[string]ops.Subscriptions{}
	for _, service := range cfg.Services {
		if slices.Contains(cfg.Absent, service) {
			continue
		}
		s, err := ops.New(cfg.URL(service), hc).Subscriptions(ctx)
		if err != nil {
			return nil, fmt.Errorf("read subscriptions of %s: %w", service, err)
		}
		all[service] = s
	}
	return all, nil
}
