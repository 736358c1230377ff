// Package client calls sales' REST API. It wraps the code generated from openapi.yaml: it
// returns plain models, and faults as errors.
package client

import (
	"context"
	"iter"
	"net/http"

	rc "quadrille/pkg/restclient"
)

//go:generate go tool oapi-codegen -config codegen.yaml ../openapi.yaml

// Client calls one instance of sales. It is safe for concurrent use.
type Client struct{ raw *rawClient }

// New returns a client of the sales at baseURL.
func New(baseURL string, hc *http.Client) (*Client, error) {
	raw, err := NewClient(baseURL, WithHTTPClient(hc))
	return &Client{raw: raw}, err
}

// Place places an order. A call with an idempotency key, or an external ID in the order,
// can be repeated safely: it returns the order placed first, and replayed is true.
func (c *Client) Place(ctx context.Context, idempotencyKey string, o NewOrder) (order Order, replayed bool, err error) {
	params := &PlaceOrderParams{}
	if idempotencyKey != "" {
		params.IdempotencyKey = &idempotencyKey
	}
	a, err := rc.Read[Order](c.raw.PlaceOrder(ctx, params, o))
	return a.Value, a.Header.Get("Idempotency-Replayed") == "true", err
}

// Order returns one order.
func (c *Client) Order(ctx context.Context, id string) (Order, error) {
	a, err := rc.Read[Order](c.raw.GetOrder(ctx, id, nil))
	return a.Value, err
}

// Orders returns the orders with the IDs. It omits unknown IDs.
func (c *Client) Orders(ctx context.Context, ids []string) ([]Order, error) {
	return rc.ByKeys[Order](ids, func(ids []string) (*http.Response, error) {
		return c.raw.ListOrders(ctx, &ListOrdersParams{Id: &ids, Limit: rc.Ptr(rc.PageSize)})
	})
}

// AllOrders iterates over all orders, oldest first.
func (c *Client) AllOrders(ctx context.Context) iter.Seq2[Order, error] {
	return rc.Each[Order](func(after *string) (*http.Response, error) {
		return c.raw.ListOrders(ctx, &ListOrdersParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}

// Cancel cancels an order.
func (c *Client) Cancel(ctx context.Context, id string) (Order, error) {
	a, err := rc.Read[Order](c.raw.CancelOrder(ctx, id, nil))
	return a.Value, err
}

// Ship ships an order.
func (c *Client) Ship(ctx context.Context, id string) (Order, error) {
	a, err := rc.Read[Order](c.raw.ShipOrder(ctx, id, nil))
	return a.Value, err
}

// AllPrices iterates over sales' copies of catalog's products.
func (c *Client) AllPrices(ctx context.Context) iter.Seq2[Price, error] {
	return rc.Each[Price](func(after *string) (*http.Response, error) {
		return c.raw.ListPrices(ctx, &ListPricesParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}
