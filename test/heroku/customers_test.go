package heroku_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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

// customers know the shop's public address and nothing else. They order all the
// time, and send an order again, under its key, until it is answered.
type customers struct {
	inventory *inventoryclient.Client
	catalog   *catalogclient.Client
	wishlist  *wishlistclient.Client
	sales     *salesclient.Client
	stats     *statsclient.Client

	answered atomic.Int64
	mu       sync.Mutex
	accepted map[string]string // order by key
	refused  []error
}

func newCustomers(t *testing.T, hc *http.Client) *customers {
	t.Helper()
	t.Cleanup(hc.CloseIdleConnections)
	const api = public + "/api/v1"
	c := &customers{accepted: map[string]string{}}
	var err error
	c.inventory, err = inventoryclient.New(api, hc)
	must(t, err)
	c.catalog, err = catalogclient.New(api, hc)
	must(t, err)
	c.wishlist, err = wishlistclient.New(api, hc)
	must(t, err)
	c.sales, err = salesclient.New(api, hc)
	must(t, err)
	c.stats, err = statsclient.New(api+"/stats", hc)
	must(t, err)
	return c
}

// What each service is asked to see whether it answers.
func (c *customers) asksCatalog(ctx context.Context) error {
	_, err := c.catalog.Products(ctx, []string{sku(0)})
	return err
}

func (c *customers) asksInventory(ctx context.Context) error {
	_, err := c.inventory.SKUs(ctx, []string{sku(0)})
	return err
}

func (c *customers) asksSales(ctx context.Context) error {
	_, err := c.sales.Orders(ctx, []string{uuid.Nil.String()})
	return err
}

func (c *customers) asksStats(ctx context.Context) error {
	_, err := c.stats.Summary(ctx)
	return err
}

func (c *customers) asksWishlist(ctx context.Context) error {
	for _, err := range c.wishlist.Items(ctx, "ann") {
		return err
	}
	return nil
}

// isAnswered asks every service something, once.
func (c *customers) isAnswered(ctx context.Context) error {
	for _, ask := range []func(context.Context) error{c.asksCatalog, c.asksInventory, c.asksWishlist, c.asksSales, c.asksStats} {
		if err := ask(ctx); err != nil {
			return err
		}
	}
	return nil
}

// What there is: SKUs of which there is enough, and some that run out.
const (
	plenty = 8
	scarce = 2
)

func sku(i int) string { return fmt.Sprintf("SKU%02d", i) }

// fill brings the goods into the shop, and its products.
func (c *customers) fill(t *testing.T) {
	t.Helper()
	for i := range plenty + scarce {
		quantity := int64(1_000_000)
		if i >= plenty {
			quantity = 20
		}
		must(t, insist(t.Context(), func() error { return c.receive(t.Context(), sku(i), quantity) }))
		must(t, insist(t.Context(), func() error { return c.offer(t.Context(), sku(i), "1.25") }))
	}
}

func (c *customers) receive(ctx context.Context, code string, quantity int64) error {
	_, _, err := c.inventory.Receive(ctx, inventoryclient.NewReceipt{ExternalId: "delivery/" + code, Sku: code, Quantity: quantity})
	return err
}

func (c *customers) offer(ctx context.Context, code, price string) error {
	_, _, err := c.catalog.Put(ctx, code, catalogclient.NewProduct{Title: code, Price: catalogclient.Money{Amount: price, Currency: "GBP"}})
	return err
}

// orderAll has n customers order until ctx ends, and waits for the last answers.
func (c *customers) orderAll(ctx context.Context, n int) {
	var ordering sync.WaitGroup
	for range n {
		ordering.Go(func() {
			for ctx.Err() == nil {
				c.order(context.WithoutCancel(ctx))
				time.Sleep(30 * time.Millisecond) // they read what they bought
			}
		})
	}
	ordering.Wait()
}

// order places one order, and cancels it now and then.
func (c *customers) order(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	key, o := uuid.NewString(), draw()
	var placed salesclient.Order
	err := insist(ctx, func() (err error) {
		placed, _, err = c.sales.Place(ctx, key, o)
		return err
	})
	c.mu.Lock()
	if err == nil {
		c.accepted[key] = placed.Id
	} else {
		c.refused = append(c.refused, err)
	}
	c.mu.Unlock()
	c.answered.Add(1)
	if err == nil && rand.IntN(8) == 0 {
		// Whether it could still be cancelled is the shop's to say.
		_ = insist(ctx, func() error { _, err := c.sales.Cancel(ctx, placed.Id); return err })
	}
}

// draw makes up an order of one to three SKUs.
func draw() salesclient.NewOrder {
	o := salesclient.NewOrder{Customer: fmt.Sprint("c", rand.IntN(20))}
	for _, i := range rand.Perm(plenty + scarce)[:1+rand.IntN(3)] {
		o.Lines = append(o.Lines, struct {
			Quantity int64               `json:"quantity"`
			Sku      salesclient.SkuCode `json:"sku"`
		}{Sku: sku(i), Quantity: 1 + rand.Int64N(2)})
	}
	return o
}

// insist sends a request again until it is answered.
func insist(ctx context.Context, send func() error) error {
	for {
		err := send()
		if err == nil || !worthAnotherTry(err) || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// worthAnotherTry: nobody answered, or the first try of the same order is still at it.
func worthAnotherTry(err error) bool {
	return fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "request_in_flight")
}

// goOn waits until n more orders were answered.
func (c *customers) goOn(t *testing.T, n int64) {
	t.Helper()
	want := c.answered.Load() + n
	eventually(t, "orders go on", func(context.Context) error {
		if c.answered.Load() < want {
			return errNotYet
		}
		return nil
	})
}
