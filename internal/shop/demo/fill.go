package demo

import (
	"context"
	"time"

	"quadrille/pkg/money"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
)

// fillUntilDone calls Fill until it succeeds or ctx ends, and logs the result.
func (d *Demo) fillUntilDone(ctx context.Context) {
	for {
		filled, err := d.Fill(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && filled:
			d.cfg.Log.Info("the shop has the demonstration's assortment; generating traffic", "products", len(Assortment()))
			return
		case err == nil:
			d.cfg.Log.Info("the shop has other products; generating traffic without filling it")
			return
		}
		d.cfg.Log.Warn("the demonstration cannot fill the shop; retrying", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// Fill offers the assortment, with its opening stock. If the shop has any other product,
// filled is false and Fill changes nothing. Fill skips products that have stock from an
// earlier call, even an interrupted one, so that it does not undo changes by users.
func (d *Demo) Fill(ctx context.Context) (filled bool, err error) {
	codes := make([]string, 0, len(Assortment()))
	ours := map[string]bool{}
	for _, g := range Assortment() {
		codes, ours[g.SKU] = append(codes, g.SKU), true
	}
	for p, err := range d.catalog.AllProducts(ctx) {
		if err != nil || !ours[p.Sku] {
			return false, err
		}
	}
	stocked, err := d.inventory.SKUs(ctx, codes)
	if err != nil {
		return false, err
	}
	done := map[string]bool{}
	for _, s := range stocked {
		done[s.Code] = true
	}
	for _, g := range Assortment() {
		if done[g.SKU] {
			continue
		}
		if err := d.offer(ctx, g); err != nil {
			return false, err
		}
	}
	return true, nil
}

// offer creates the product before its stock, because Fill takes existing stock as the sign
// that the product was offered.
func (d *Demo) offer(ctx context.Context, g Good) error {
	price := catalogclient.Money{Amount: money.Money{Minor: g.Pence, Currency: "GBP"}.Amount(), Currency: "GBP"}
	if _, _, err := d.catalog.Put(ctx, g.SKU, catalogclient.NewProduct{Title: g.Title, Description: &g.Description, Price: price}); err != nil {
		return err
	}
	opening := inventoryclient.NewReceipt{ExternalId: "demo/opening/" + g.SKU, Sku: g.SKU, Quantity: max(g.Opening, 1)}
	if _, _, err := d.inventory.Receive(ctx, opening); err != nil || g.Opening > 0 {
		return err
	}
	_, _, err := d.inventory.Adjust(ctx, inventoryclient.NewAdjustment{
		ExternalId: "demo/broken/" + g.SKU, Sku: g.SKU, Delta: -1, Reason: "broken on the way",
	})
	return err
}
