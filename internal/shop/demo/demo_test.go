package demo_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"quadrille/internal/shop/demo"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
)

// logText collects log output for a test. It is safe for concurrent use.
type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (n *logText) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *logText) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

func newDemo(t *testing.T, shop *harness.Shop, log *logText) *demo.Demo {
	t.Helper()
	d, err := demo.New(demo.Config{URL: shop.URL, HTTP: shop.HTTP, Log: slog.New(slog.NewTextHandler(log, nil)), Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fill(t *testing.T, shop *harness.Shop, want bool) {
	t.Helper()
	if filled, err := newDemo(t, shop, &logText{}).Fill(t.Context()); err != nil || filled != want {
		t.Errorf("filled is %t, %v; want %t", filled, err, want)
	}
}

// stock returns the shop's SKUs by code.
func stock(t *testing.T, shop *harness.Shop) map[string]inventoryclient.Sku {
	t.Helper()
	all := map[string]inventoryclient.Sku{}
	for s, err := range shop.Inventory.AllSKUs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[s.Code] = s
	}
	return all
}

func products(t *testing.T, shop *harness.Shop) map[string]catalogclient.Product {
	t.Helper()
	all := map[string]catalogclient.Product{}
	for p, err := range shop.Catalog.AllProducts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[p.Sku] = p
	}
	return all
}

func TestAssortmentIsValid(t *testing.T) {
	skus, titles := map[string]bool{}, map[string]bool{}
	soldOut := 0
	for _, g := range demo.Assortment() {
		if skus[g.SKU] || titles[g.Title] || g.Pence <= 0 || g.Opening < 0 || g.Description == "" {
			t.Errorf("%+v is invalid or a duplicate", g)
		}
		skus[g.SKU], titles[g.Title] = true, true
		if g.Opening == 0 {
			soldOut++
		}
	}
	if len(skus) != 40 || soldOut == 0 {
		t.Errorf("%d goods, %d of them sold out", len(skus), soldOut)
	}
}

// Fill fills an empty shop once, continues an interrupted run, and keeps changes by users.
func TestFillsAnEmptyShopOnce(t *testing.T) {
	t.Parallel()
	shop := harness.Start(t, harness.Embedded(t))
	goods := demo.Assortment()
	_, _, err := shop.Catalog.Put(t.Context(), goods[0].SKU, catalogclient.NewProduct{Title: "half done", Price: catalogclient.Money{Amount: "1.00", Currency: "GBP"}})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, shop, true)
	offered, stocked := products(t, shop), stock(t, shop)
	for _, g := range goods {
		p, s := offered[g.SKU], stocked[g.SKU]
		if p.Title != g.Title || p.Description != g.Description || p.Price.Amount != fmt.Sprintf("%d.%02d", g.Pence/100, g.Pence%100) || s.OnHand != g.Opening {
			t.Errorf("%+v is offered as %+v, stocked as %+v", g, p, s)
		}
	}
	if err := shop.Catalog.Withdraw(t.Context(), goods[1].SKU); err != nil {
		t.Fatal(err)
	}
	_, _, err = shop.Catalog.Put(t.Context(), goods[2].SKU, catalogclient.NewProduct{Title: "another title", Price: catalogclient.Money{Amount: "1.00", Currency: "GBP"}})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, shop, true)
	offered, again := products(t, shop), stock(t, shop)
	if _, there := offered[goods[1].SKU]; there || offered[goods[2].SKU].Title != "another title" || len(offered) != 39 {
		t.Errorf("Fill undid a change by a user: %+v", offered)
	}
	for code, s := range stocked {
		if again[code] != s {
			t.Errorf("%s: was %+v, got %+v", code, s, again[code])
		}
	}
}

// A shop with other products keeps them and gets none of the demo.
func TestKeepsAShopWithOtherProducts(t *testing.T) {
	t.Parallel()
	shop := harness.Start(t, harness.Embedded(t))
	if _, _, err := shop.Catalog.Put(t.Context(), "MINE", catalogclient.NewProduct{Title: "mine", Price: catalogclient.Money{Amount: "1.00", Currency: "GBP"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := shop.Inventory.Receive(t.Context(), inventoryclient.NewReceipt{ExternalId: "mine", Sku: "MINE", Quantity: 50}); err != nil {
		t.Fatal(err)
	}
	log := &logText{}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { newDemo(t, shop, log).Run(ctx) })
	t.Cleanup(func() { end(); running.Wait() })
	harness.Eventually(t, func(context.Context) error { return has(t, shop, salesclient.Confirmed) })
	if all := products(t, shop); len(all) != 1 || !strings.Contains(log.String(), "the shop has other products") {
		t.Errorf("got products %+v; log: %s", all, log)
	}
}

// has returns nil if there is an order with this status.
func has(t *testing.T, shop *harness.Shop, status salesclient.OrderStatus) error {
	t.Helper()
	for o, err := range shop.Sales.AllOrders(t.Context()) {
		if err != nil {
			return err
		}
		if o.Status == status {
			return nil
		}
	}
	return fmt.Errorf("no order is %s", status)
}

// The traffic gives orders in every final status, wishes, and sold-out products that are
// restocked. Run ends with its context, and another run continues.
func TestTrafficReachesEveryState(t *testing.T) {
	t.Parallel()
	shop := harness.Start(t, harness.Embedded(t))
	var before int
	for run := range 2 {
		log := &logText{}
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { newDemo(t, shop, log).Run(ctx) })
		for _, status := range []salesclient.OrderStatus{salesclient.Confirmed, salesclient.Shipped, salesclient.Rejected, salesclient.Cancelled} {
			harness.Eventually(t, func(context.Context) error { return has(t, shop, status) })
		}
		harness.Eventually(t, func(context.Context) error { return cameBack(t, shop) })
		harness.Eventually(t, func(context.Context) error {
			if n := orders(t, shop); n <= before+20 {
				return fmt.Errorf("%d orders in run %d", n, run)
			}
			return nil
		})
		end()
		running.Wait()
		if got := log.String(); !strings.Contains(got, "demonstration's assortment") || strings.Contains(got, "level=WARN") {
			t.Errorf("got log: %s", got)
		}
		before = orders(t, shop)
	}
	if all := products(t, shop); len(all) != 40 {
		t.Errorf("got %d products", len(all))
	}
}

func orders(t *testing.T, shop *harness.Shop) (n int) {
	t.Helper()
	for _, err := range shop.Sales.AllOrders(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// cameBack returns nil if a SKU without opening stock was restocked.
func cameBack(t *testing.T, shop *harness.Shop) error {
	t.Helper()
	now := stock(t, shop)
	for _, g := range demo.Assortment() {
		if g.Opening == 0 && now[g.SKU].Received > 1 {
			return nil
		}
	}
	return errors.New("what was sold out still is")
}

func TestNewRefusesAnEmptyConfig(t *testing.T) {
	if _, err := demo.New(demo.Config{}); err == nil {
		t.Error("New accepted an empty Config")
	}
}
