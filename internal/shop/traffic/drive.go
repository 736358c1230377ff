package traffic

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"quadrille/pkg/fault"
	"quadrille/pkg/money"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
)

// Config selects the shop and sets the load.
type Config struct {
	URL         func(service string) string
	HTTP        *http.Client // nil: http.DefaultClient
	Stock       int64        // opening stock of each SKU; 0: none
	Concurrency int          // number of concurrent requests
	// Progress is called after each request that got a final response, Waiting with the error
	// of each attempt that is retried. Calls may be concurrent.
	Progress func()
	Waiting  func(error)
}

// Result counts the results of one kind of request.
type Result struct {
	Sent, Known int            // accepted as new, and known to the shop before
	Refused     map[string]int // by error
}

// Report is the result of a plan.
type Report struct {
	mu      sync.Mutex
	Results map[string]*Result // by kind
}

// Kinds of requests.
const (
	Products = "products"
	Opening  = "opening stock"
	Orders   = "orders"
	Returns  = "returns"
)

// Kinds returns all kinds, in the order in which they are sent.
func Kinds() []string { return []string{Products, Opening, Orders, Returns} }

// Requests returns the number of requests of a plan with this opening stock.
func (p *Plan) Requests(stock int64) int {
	n := len(p.Products) + len(p.Orders) + len(p.Returns)
	if stock > 0 {
		n += len(p.SKUs)
	}
	return n
}

// driver sends a plan to a shop.
type driver struct {
	cfg       Config
	inventory *inventoryclient.Client
	catalog   *catalogclient.Client
	sales     *salesclient.Client
	report    *Report
}

// Drive sends a plan: products, opening stock, orders and returns, one kind after the other,
// with concurrent requests of each kind. It retries a request until it gets a final response
// or ctx ends. Then it returns the results so far with ctx's error.
func Drive(ctx context.Context, cfg Config, p *Plan) (*Report, error) {
	d, err := newDriver(cfg)
	if err != nil {
		return nil, err
	}
	for _, kind := range Kinds() {
		if err := d.sendAll(ctx, kind, d.requests(kind, p)); err != nil {
			return d.report, err
		}
	}
	return d.report, nil
}

func newDriver(cfg Config) (d *driver, err error) {
	hc := cfg.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	d = &driver{cfg: cfg, report: &Report{Results: map[string]*Result{}}}
	if d.inventory, err = inventoryclient.New(cfg.URL("inventory"), hc); err != nil {
		return nil, fmt.Errorf("INVENTORY_URL: %w", err)
	}
	if d.catalog, err = catalogclient.New(cfg.URL("catalog"), hc); err != nil {
		return nil, fmt.Errorf("CATALOG_URL: %w", err)
	}
	if d.sales, err = salesclient.New(cfg.URL("sales"), hc); err != nil {
		return nil, fmt.Errorf("SALES_URL: %w", err)
	}
	return d, nil
}

// request makes one call; known is true if the shop had the result of the call before.
type request func(ctx context.Context) (known bool, err error)

func (d *driver) requests(kind string, p *Plan) (all []request) {
	switch kind {
	case Products:
		for _, product := range p.Products {
			all = append(all, d.offer(product))
		}
	case Opening:
		for _, sku := range p.SKUs {
			if d.cfg.Stock > 0 {
				all = append(all, d.receive("opening/"+sku, Line{SKU: sku, Quantity: d.cfg.Stock}))
			}
		}
	case Orders:
		for _, o := range p.Orders {
			all = append(all, d.order(o))
		}
	case Returns:
		for _, r := range p.Returns {
			all = append(all, d.receive(r.ExternalID, r.Line))
		}
	}
	return all
}

func (d *driver) offer(p Product) request {
	price := catalogclient.Money{Amount: money.Money{Minor: p.Pence, Currency: "GBP"}.Amount(), Currency: "GBP"}
	return func(ctx context.Context) (known bool, err error) {
		_, created, err := d.catalog.Put(ctx, p.SKU, catalogclient.NewProduct{Title: p.Title, Price: price})
		return !created, err
	}
}

func (d *driver) receive(externalID string, l Line) request {
	return func(ctx context.Context) (known bool, err error) {
		_, created, err := d.inventory.Receive(ctx, inventoryclient.NewReceipt{ExternalId: externalID, Sku: l.SKU, Quantity: l.Quantity})
		return !created, err
	}
}

func (d *driver) order(o Order) request {
	wanted := salesclient.NewOrder{Customer: o.Customer, ExternalId: &o.Invoice}
	for _, l := range o.Lines {
		wanted.Lines = append(wanted.Lines, struct {
			Quantity int64               `json:"quantity"`
			Sku      salesclient.SkuCode `json:"sku"`
		}{Sku: l.SKU, Quantity: l.Quantity})
	}
	return func(ctx context.Context) (known bool, err error) {
		_, replayed, err := d.sales.Place(ctx, "", wanted)
		return replayed, err
	}
}

func (d *driver) sendAll(ctx context.Context, kind string, all []request) error {
	result := &Result{Refused: map[string]int{}}
	d.report.Results[kind] = result
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(max(d.cfg.Concurrency, 1))
	for _, r := range all {
		if sending.Err() != nil {
			break
		}
		group.Go(func() error {
			known, err := d.untilAnswered(sending, r)
			if sending.Err() != nil {
				return sending.Err()
			}
			d.report.count(result, known, err)
			d.cfg.Progress()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("send %s: %w", kind, err)
	}
	return ctx.Err()
}

// untilAnswered retries r until the shop gives a final response. A refusal is final. A fault
// of kind Unavailable, or the same request in progress (request_in_flight), is not.
func (d *driver) untilAnswered(ctx context.Context, r request) (known bool, err error) {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, 2*time.Second
	attempt := 0
	return backoff.Retry(ctx, func() (bool, error) {
		attempt++
		known, err := r(ctx)
		if err != nil && !worthAnotherTry(err) {
			return false, backoff.Permanent(err)
		}
		// After a retry, the shop may know the request from an attempt of this run.
		return known && attempt == 1, err
	}, backoff.WithBackOff(policy), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) { d.cfg.Waiting(err) }))
}

func worthAnotherTry(err error) bool {
	return fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "request_in_flight")
}

func (r *Report) count(result *Result, known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		result.Refused[err.Error()]++
	case known:
		result.Known++
	default:
		result.Sent++
	}
}
