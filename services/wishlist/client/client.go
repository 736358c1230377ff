// Package client calls wishlist's REST API. It wraps the code generated from openapi.yaml: it
// returns plain models, and faults as errors.
package client

import (
	"context"
	"iter"
	"net/http"

	rc "quadrille/pkg/restclient"
)

//go:generate go tool oapi-codegen -config codegen.yaml ../openapi.yaml

// Client calls one instance of wishlist. It is safe for concurrent use.
type Client struct{ raw *rawClient }

// New returns a client of the wishlist at baseURL.
func New(baseURL string, hc *http.Client) (*Client, error) {
	raw, err := NewClient(baseURL, WithHTTPClient(hc))
	return &Client{raw: raw}, err
}

// Wish adds a SKU to a customer's list; created is false if it was there.
func (c *Client) Wish(ctx context.Context, customer, sku string) (item Item, created bool, err error) {
	a, err := rc.Read[Item](c.raw.PutWish(ctx, customer, sku))
	return a.Value, a.Status == http.StatusCreated, err
}

// Item returns one wish.
func (c *Client) Item(ctx context.Context, customer, sku string) (Item, error) {
	a, err := rc.Read[Item](c.raw.GetWish(ctx, customer, sku, nil))
	return a.Value, err
}

// Items iterates over a customer's wishes by SKU.
func (c *Client) Items(ctx context.Context, customer string) iter.Seq2[Item, error] {
	return rc.Each[Item](func(after *string) (*http.Response, error) {
		return c.raw.ListWishes(ctx, customer, &ListWishesParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}

// Unwish removes a SKU from a customer's list.
func (c *Client) Unwish(ctx context.Context, customer, sku string) error {
	_, err := rc.Read[struct{}](c.raw.DeleteWish(ctx, customer, sku))
	return err
}

// AllStock iterates over wishlist's copies of inventory's SKUs.
func (c *Client) AllStock(ctx context.Context) iter.Seq2[Stock, error] {
	return rc.Each[Stock](func(after *string) (*http.Response, error) {
		return c.raw.ListStock(ctx, &ListStockParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}
