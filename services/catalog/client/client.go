// Package client calls catalog's REST API. It wraps the code generated from openapi.yaml: it
// returns plain models, and faults as errors.
package client

import (
	"context"
	"iter"
	"net/http"

	rc "quadrille/pkg/restclient"
)

//go:generate go tool oapi-codegen -config codegen.yaml ../openapi.yaml

// Client calls one instance of catalog. It is safe for concurrent use.
type Client struct{ raw *rawClient }

// New returns a client of the catalog at baseURL.
func New(baseURL string, hc *http.Client) (*Client, error) {
	raw, err := NewClient(baseURL, WithHTTPClient(hc))
	return &Client{raw: raw}, err
}

// Put offers a product or changes it; created is false if it was on offer before.
func (c *Client) Put(ctx context.Context, sku string, p NewProduct) (product Product, created bool, err error) {
	a, err := rc.Read[Product](c.raw.PutProduct(ctx, sku, nil, p))
	return a.Value, a.Status == http.StatusCreated, err
}

// Product returns one product.
func (c *Client) Product(ctx context.Context, sku string) (Product, error) {
	a, err := rc.Read[Product](c.raw.GetProduct(ctx, sku, nil))
	return a.Value, err
}

// Products returns the products with the SKUs. It omits those that are not on offer.
func (c *Client) Products(ctx context.Context, skus []string) ([]Product, error) {
	return rc.ByKeys[Product](skus, func(skus []string) (*http.Response, error) {
		return c.raw.ListProducts(ctx, &ListProductsParams{Sku: &skus, Limit: rc.Ptr(rc.PageSize)})
	})
}

// AllProducts iterates over all products on offer, sorted by SKU.
func (c *Client) AllProducts(ctx context.Context) iter.Seq2[Product, error] {
	return rc.Each[Product](func(after *string) (*http.Response, error) {
		return c.raw.ListProducts(ctx, &ListProductsParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}

// Search iterates over the products on offer whose SKU, title or description contains q.
func (c *Client) Search(ctx context.Context, q string) iter.Seq2[Product, error] {
	return rc.Each[Product](func(after *string) (*http.Response, error) {
		return c.raw.ListProducts(ctx, &ListProductsParams{Q: &q, After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}

// Withdraw withdraws a product.
func (c *Client) Withdraw(ctx context.Context, sku string) error {
	_, err := rc.Read[struct{}](c.raw.DeleteProduct(ctx, sku, nil))
	return err
}

// AllStock iterates over catalog's copies of inventory's SKUs.
func (c *Client) AllStock(ctx context.Context) iter.Seq2[Stock, error] {
	return rc.Each[Stock](func(after *string) (*http.Response, error) {
		return c.raw.ListStock(ctx, &ListStockParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}
