package chaos_test

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
)

// clients are customers who order all the time, as real ones do: each order has an
// idempotency key and is sent again until it is answered.
type clients struct {
	sales *salesclient.Client
	pace  time.Duration // between an answer and the next order

	mu       sync.Mutex
	sent     int
	accepted map[string]string // order by key
	refused  []error
}

const (
	plenty = 15 // SKUs of which there is enough
	scarce = 5  // SKUs that run out
)

func sku(i int) string { return fmt.Sprintf("SKU%02d", i) }

// newClients fills the shop.
func newClients(t *testing.T, s *shop) *clients {
	t.Helper()
	hc := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(hc.CloseIdleConnections)
	inventory, err := inventoryclient.New(s.machine.URL("inventory"), hc)
	must(t, err)
	catalog, err := catalogclient.New(s.machine.URL("catalog"), hc)
	must(t, err)
	sales, err := salesclient.New(s.machine.URL("sales"), hc)
	must(t, err)
	for i := range plenty + scarce {
		quantity := int64(10_000_000)
		if i >= plenty {
			quantity = 200
		}
		_, _, err := inventory.Receive(t.Context(), inventoryclient.NewReceipt{ExternalId: "opening/" + sku(i), Sku: sku(i), Quantity: quantity})
		must(t, err)
		_, _, err = catalog.Put(t.Context(), sku(i), catalogclient.NewProduct{Title: sku(i), Price: catalogclient.Money{Amount: "1.25", Currency: "GBP"}})
		must(t, err)
	}
	return &clients{sales: sales, pace: 50 * time.Millisecond, accepted: map[string]string{}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// order has n customers order until ctx ends, and waits until every order that was
// sent is answered.
func (c *clients) order(ctx context.Context, n int) {
	var ordering sync.WaitGroup
	for range n {
		ordering.Go(func() {
			for ctx.Err() == nil {
				c.one(context.WithoutCancel(ctx))
				time.Sleep(c.pace)
			}
		})
	}
	ordering.Wait()
}

// patience is how long a customer sends an order again.
const patience = 3 * time.Minute

func (c *clients) one(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key, o := uuid.NewString(), draw()
	c.mu.Lock()
	c.sent++
	c.mu.Unlock()
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
	if err == nil && rand.IntN(8) == 0 {
		// Whether it could still be cancelled is the shop's to say.
		_ = insist(ctx, func() error { _, err := c.sales.Cancel(ctx, placed.Id); return err })
	}
}

// draw makes up an order of one to four SKUs.
func draw() salesclient.NewOrder {
	o := salesclient.NewOrder{Customer: fmt.Sprint("c", rand.IntN(50))}
	for _, i := range rand.Perm(plenty + scarce)[:1+rand.IntN(4)] {
		o.Lines = append(o.Lines, struct {
			Quantity int64               `json:"quantity"`
			Sku      salesclient.SkuCode `json:"sku"`
		}{Sku: sku(i), Quantity: 1 + rand.Int64N(3)})
	}
	return o
}

// insist sends a request again until it is answered.
func insist(ctx context.Context, send func() error) error {
	for {
		err := send()
		if err == nil || !again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func again(err error) bool {
	return fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "request_in_flight")
}
