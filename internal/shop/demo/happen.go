package demo

import (
	"context"
	"math/rand/v2"

	"quadrille/pkg/fault"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
)

// order places an order of one or two products in stock. About one in twelve lines asks for
// more than is in stock, so that inventory rejects its order.
func (d *Demo) order(ctx context.Context, goods []catalogclient.Product) error {
	there := those(goods, func(p catalogclient.Product) bool { return p.Quantity > 0 })
	if len(there) == 0 {
		return nil
	}
	id := d.externalID("order")
	wanted := salesclient.NewOrder{Customer: anyOf(customers()), ExternalId: &id}
	first := anyOf(there)
	for _, p := range []catalogclient.Product{first, anyOf(there)}[:1+rand.N(2)] {
		if len(wanted.Lines) > 0 && p.Sku == first.Sku {
			break
		}
		quantity := 1 + rand.Int64N(min(p.Quantity, 3))
		if onceIn(12) {
			quantity = p.Quantity + 1
		}
		wanted.Lines = append(wanted.Lines, struct {
			Quantity int64               `json:"quantity"`
			Sku      salesclient.SkuCode `json:"sku"`
		}{Sku: p.Sku, Quantity: quantity})
	}
	placed, _, err := d.sales.Place(ctx, "", wanted)
	if err != nil {
		return err
	}
	d.placed = append(d.placed, placed.Id)
	if len(d.placed) > maxPlaced {
		d.placed = d.placed[1:]
	}
	return nil
}

// maxPlaced limits the number of orders that the demo remembers to ship.
const maxPlaced = 100

// ship ships the oldest order of this run, or cancels it with a probability of 1 in 8. It
// leaves all other orders alone.
func (d *Demo) ship(ctx context.Context, _ []catalogclient.Product) error {
	const rest = 2 // number of orders that stay placed or confirmed, to be seen
	for len(d.placed) > rest {
		id := d.placed[0]
		act := d.sales.Ship
		if onceIn(8) {
			act = d.sales.Cancel
		}
		_, err := act(ctx, id)
		if err != nil && fault.Is(err, fault.Unavailable) {
			return err // try the same order again later
		}
		d.placed = d.placed[1:]
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// wish adds a sold-out product to a customer's wishlist, or removes it if it is there.
func (d *Demo) wish(ctx context.Context, goods []catalogclient.Product) error {
	wanted := those(goods, soldOut)
	if len(wanted) == 0 {
		wanted = goods
	}
	customer, sku := anyOf(customers()), anyOf(wanted).Sku
	_, fresh, err := d.wishlist.Wish(ctx, customer, sku)
	if err != nil || fresh {
		return err
	}
	return d.wishlist.Unwish(ctx, customer, sku)
}

// restock receives a few pieces of a sold-out product; if there is none, many pieces of a
// product that is nearly sold out.
func (d *Demo) restock(ctx context.Context, goods []catalogclient.Product) error {
	few, quantity := those(goods, soldOut), 2+rand.Int64N(4)
	if len(few) == 0 {
		few, quantity = those(goods, func(p catalogclient.Product) bool { return p.Quantity < 10 }), 10+rand.Int64N(10)
	}
	if len(few) == 0 {
		return nil
	}
	_, _, err := d.inventory.Receive(ctx, inventoryclient.NewReceipt{ExternalId: d.externalID("receipt"), Sku: anyOf(few).Sku, Quantity: quantity})
	return err
}

func soldOut(p catalogclient.Product) bool { return p.Quantity == 0 }

func those(goods []catalogclient.Product, is func(catalogclient.Product) bool) (some []catalogclient.Product) {
	for _, p := range goods {
		if is(p) {
			some = append(some, p)
		}
	}
	return some
}

// onceIn returns true with a probability of 1 in n.
func onceIn(n int) bool { return rand.N(n) == 0 }
