// Package customers simulates customers of a running shop, for tests that disturb the
// shop while orders come in. Each order has an idempotency key and is sent again until
// the shop answers it. Check then compares the answers with the orders that the shop has.
package customers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/fault"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	statsclient "quadrille/services/stats/client"
	wishlistclient "quadrille/services/wishlist/client"
)

// Config describes the shop, its stock and the orders. URL and HTTP are required.
type Config struct {
	URL  func(service string) string // base URL of a service's API
	HTTP *http.Client

	Plenty, Scarce int   // number of SKUs that last, and of SKUs that run out
	ScarceQuantity int64 // stock of a SKU that runs out

	Buyers      int           // number of different customers
	MaxLines    int           // lines of the largest order
	MaxQuantity int64         // quantity of the largest line
	Pause       time.Duration // between an answer and the next order
	Timeout     time.Duration // for one order with all its retries
}

// Customers place orders and record the answers. Its methods are safe for concurrent use.
type Customers struct {
	Inventory *inventoryclient.Client
	Catalog   *catalogclient.Client
	Wishlist  *wishlistclient.Client
	Sales     *salesclient.Client
	Stats     *statsclient.Client

	cfg Config

	mu       sync.Mutex
	sent     int
	answered int
	accepted map[string]string // order ID by idempotency key
	failed   []error
}

// New returns customers who have placed nothing yet.
func New(t testing.TB, cfg Config) *Customers {
	t.Helper()
	t.Cleanup(cfg.HTTP.CloseIdleConnections)
	c := &Customers{cfg: cfg, accepted: map[string]string{}}
	var errs [5]error
	c.Inventory, errs[0] = inventoryclient.New(cfg.URL("inventory"), cfg.HTTP)
	c.Catalog, errs[1] = catalogclient.New(cfg.URL("catalog"), cfg.HTTP)
	c.Wishlist, errs[2] = wishlistclient.New(cfg.URL("wishlist"), cfg.HTTP)
	c.Sales, errs[3] = salesclient.New(cfg.URL("sales"), cfg.HTTP)
	c.Stats, errs[4] = statsclient.New(cfg.URL("stats"), cfg.HTTP)
	must(t, errors.Join(errs[:]...))
	return c
}

// SKU returns the code of the i-th SKU. Those that last come first.
func SKU(i int) string { return fmt.Sprintf("SKU%02d", i) }

// Fill creates the stock and a product for each SKU. It retries until the shop answers.
func (c *Customers) Fill(t testing.TB) {
	t.Helper()
	const plenty = 10_000_000
	for i := range c.cfg.Plenty + c.cfg.Scarce {
		quantity := int64(plenty)
		if i >= c.cfg.Plenty {
			quantity = c.cfg.ScarceQuantity
		}
		must(t, c.Receive(t.Context(), SKU(i), quantity))
		must(t, c.Offer(t.Context(), SKU(i), "1.25"))
	}
}

// Receive delivers a quantity of a SKU to the warehouse, once for each SKU. It retries
// until the shop answers.
func (c *Customers) Receive(ctx context.Context, sku string, quantity int64) error {
	return Retry(ctx, func() error {
		_, _, err := c.Inventory.Receive(ctx, inventoryclient.NewReceipt{ExternalId: "delivery/" + sku, Sku: sku, Quantity: quantity})
		return err
	})
}

// Offer puts a product on sale at a price in pounds. It retries until the shop answers.
func (c *Customers) Offer(ctx context.Context, sku, price string) error {
	return Retry(ctx, func() error {
		_, _, err := c.Catalog.Put(ctx, sku, catalogclient.NewProduct{Title: sku, Price: catalogclient.Money{Amount: price, Currency: "GBP"}})
		return err
	})
}

// Run has n customers order at the same time until ctx ends, and waits until every order
// that was sent is answered.
func (c *Customers) Run(ctx context.Context, n int) {
	var ordering sync.WaitGroup
	for range n {
		ordering.Go(func() {
			for ctx.Err() == nil {
				c.order(context.WithoutCancel(ctx))
				time.Sleep(c.cfg.Pause)
			}
		})
	}
	ordering.Wait()
}

// order places one order, and cancels one in eight.
func (c *Customers) order(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	o := c.draw()
	placed, err := c.place(func(key string) (placed salesclient.Order, err error) {
		err = Retry(ctx, func() (err error) {
			placed, _, err = c.Sales.Place(ctx, key, o)
			return err
		})
		return placed, err
	})
	if err == nil && rand.IntN(8) == 0 {
		// The order may be confirmed already: the shop decides, and either answer is right.
		_ = Retry(ctx, func() error { _, err := c.Sales.Cancel(ctx, placed.Id); return err })
	}
}

// Place sends one order for a SKU that lasts, once, and fails the test unless the shop
// accepts it.
func (c *Customers) Place(t testing.TB) salesclient.Order {
	t.Helper()
	o := c.draw()
	o.Lines = o.Lines[:1]
	o.Lines[0].Sku = SKU(0)
	placed, err := c.place(func(key string) (salesclient.Order, error) {
		placed, _, err := c.Sales.Place(t.Context(), key, o)
		return placed, err
	})
	must(t, err)
	return placed
}

// place has send place an order under a new key, and records the answer.
func (c *Customers) place(send func(key string) (salesclient.Order, error)) (salesclient.Order, error) {
	key := uuid.NewString()
	c.mu.Lock()
	c.sent++
	c.mu.Unlock()
	placed, err := send(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered++
	if err == nil {
		c.accepted[key] = placed.Id
	} else {
		c.failed = append(c.failed, err)
	}
	return placed, err
}

// draw returns a random order.
func (c *Customers) draw() salesclient.NewOrder {
	o := salesclient.NewOrder{Customer: fmt.Sprint("c", rand.IntN(c.cfg.Buyers))}
	for _, i := range rand.Perm(c.cfg.Plenty + c.cfg.Scarce)[:1+rand.IntN(c.cfg.MaxLines)] {
		o.Lines = append(o.Lines, struct {
			Quantity int64               `json:"quantity"`
			Sku      salesclient.SkuCode `json:"sku"`
		}{Sku: SKU(i), Quantity: 1 + rand.Int64N(c.cfg.MaxQuantity)})
	}
	return o
}

// Counts returns the numbers of orders that were sent, answered and accepted.
func (c *Customers) Counts() (sent, answered, accepted int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, c.answered, len(c.accepted)
}

// Result holds the counts of Check.
type Result struct {
	Orders int // that the shop has
	Final  int // accepted orders in a final state
	Twice  int // orders that the shop has and no customer knows of
	Lost   int // accepted orders that are missing or not final
}

// Check compares the answers that customers got with the orders that the shop has. It
// fails the test if an accepted order is missing or not final, if the shop has other
// orders, or if an order was refused. The shop must be idle.
func (c *Customers) Check(t testing.TB) Result {
	t.Helper()
	orders := map[string]salesclient.Order{}
	for o, err := range c.Sales.AllOrders(t.Context()) {
		must(t, err)
		orders[o.Id] = o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := Result{Orders: len(orders), Twice: len(orders) - len(c.accepted)}
	for key, id := range c.accepted {
		o, found := orders[id]
		switch {
		case !found:
			r.Lost++
			t.Errorf("order %s, accepted under key %s, is missing", id, key)
		case o.Status == salesclient.Placed:
			r.Lost++
			t.Errorf("order %s is not final", id)
		default:
			r.Final++
		}
	}
	if r.Twice != 0 {
		t.Errorf("the shop has %d orders, it accepted %d", len(orders), len(c.accepted))
	}
	for _, err := range c.failed {
		t.Errorf("an order was refused: %v", err)
	}
	return r
}

// Retry sends a request until it is answered, or ctx ends. A failure counts as no answer
// if nobody could answer, or if an earlier try with the same key is still being handled.
func Retry(ctx context.Context, send func() error) error {
	for {
		err := send()
		if err == nil || !unanswered(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func unanswered(err error) bool {
	return fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "request_in_flight")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
