package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	wishlistclient "quadrille/services/wishlist/client"
)

// Config selects the shop and sets the rate of the traffic.
type Config struct {
	URL   func(service string) string
	HTTP  *http.Client
	Log   *slog.Logger  // gets the result of filling the shop, and failures
	Every time.Duration // mean time between two steps; 0: 2 s
}

// Demo fills a shop and generates traffic.
type Demo struct {
	cfg       Config
	run       string // part of external IDs, unique to a run, so that a retried request takes effect once
	n         int    // steps so far
	inventory *inventoryclient.Client
	catalog   *catalogclient.Client
	sales     *salesclient.Client
	wishlist  *wishlistclient.Client
	placed    []string // IDs of this run's orders that are not shipped or cancelled, oldest first
}

// New returns a demo. It makes no request.
func New(cfg Config) (*Demo, error) {
	if cfg.URL == nil || cfg.HTTP == nil || cfg.Log == nil {
		return nil, errors.New("demo: URL, HTTP and Log are required")
	}
	if cfg.Every == 0 {
		cfg.Every = 2 * time.Second
	}
	if cfg.Every < 0 {
		return nil, fmt.Errorf("demo: Every is %s; it must not be negative", cfg.Every)
	}
	d := &Demo{cfg: cfg, run: uuid.NewString()[:8]}
	var errs [4]error
	d.inventory, errs[0] = inventoryclient.New(cfg.URL("inventory"), cfg.HTTP)
	d.catalog, errs[1] = catalogclient.New(cfg.URL("catalog"), cfg.HTTP)
	d.sales, errs[2] = salesclient.New(cfg.URL("sales"), cfg.HTTP)
	d.wishlist, errs[3] = wishlistclient.New(cfg.URL("wishlist"), cfg.HTTP)
	return d, errors.Join(errs[:]...)
}

// Run fills the shop if it is empty, and then makes a step at random intervals until ctx
// ends. It logs failures. It retries filling the shop, but not failed steps.
func (d *Demo) Run(ctx context.Context) {
	d.fillUntilDone(ctx)
	for ctx.Err() == nil {
		if err := d.step(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Log.Debug("a step of the demonstration failed", "error", err)
		}
		d.pause(ctx)
	}
}

// pause waits between half and one and a half times Every, at random.
func (d *Demo) pause(ctx context.Context) {
	every := d.cfg.Every
	timer := time.NewTimer(every/2 + rand.N(every))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// step makes one step. All kinds of steps come in turn.
func (d *Demo) step(ctx context.Context) error {
	kinds := []func(context.Context, []catalogclient.Product) error{d.order, d.wish, d.order, d.ship, d.restock, d.order, d.ship}
	kind := kinds[d.n%len(kinds)]
	d.n++
	goods, err := d.goods(ctx)
	if err != nil || len(goods) == 0 {
		return err
	}
	return kind(ctx, goods)
}

// goods returns the products on offer, at most as many as fit on one page.
func (d *Demo) goods(ctx context.Context) (all []catalogclient.Product, err error) {
	const most = 500
	for p, err := range d.catalog.AllProducts(ctx) {
		if err != nil {
			return nil, err
		}
		if all = append(all, p); len(all) == most {
			break
		}
	}
	return all, nil
}

func (d *Demo) externalID(kind string) string { return fmt.Sprintf("demo/%s/%s/%d", kind, d.run, d.n) }

// anyOf returns one of all at random.
func anyOf[T any](all []T) T { return all[rand.N(len(all))] }
