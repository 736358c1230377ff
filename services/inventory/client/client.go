// Package client calls inventory's REST API. What is generated from its
// openapi.yaml is wrapped here: answers are plain models, errors are faults.
package client

import (
	"context"
	"io"
	"iter"
	"net/http"

	rc "quadrille/pkg/restclient"
)

//go:generate go tool oapi-codegen -config codegen.yaml ../openapi.yaml

// Client calls one inventory. It is safe for concurrent use.
type Client struct{ raw *rawClient }

// New makes a client of the inventory at baseURL.
func New(baseURL string, hc *http.Client) (*Client, error) {
	raw, err := NewClient(baseURL, WithHTTPClient(hc))
	return &Client{raw: raw}, err
}

// Receive records a receipt; created is false if it was recorded before.
func (c *Client) Receive(ctx context.Context, r NewReceipt) (receipt Receipt, created bool, err error) {
	a, err := rc.Read[Receipt](c.raw.CreateReceipt(ctx, r))
	return a.Value, a.Status == http.StatusCreated, err
}

// Adjust records an adjustment; created is false if it was recorded before.
func (c *Client) Adjust(ctx context.Context, a NewAdjustment) (adjustment Adjustment, created bool, err error) {
	answer, err := rc.Read[Adjustment](c.raw.CreateAdjustment(ctx, a))
	return answer.Value, answer.Status == http.StatusCreated, err
}

// SKU returns one SKU.
func (c *Client) SKU(ctx context.Context, code string) (Sku, error) {
	a, err := rc.Read[Sku](c.raw.GetSku(ctx, code, nil))
	return a.Value, err
}

// SKUs returns the SKUs named that exist.
func (c *Client) SKUs(ctx context.Context, codes []string) ([]Sku, error) {
	return rc.ByKeys[Sku](codes, func(codes []string) (*http.Response, error) {
		return c.raw.ListSkus(ctx, &ListSkusParams{Code: &codes, Limit: rc.Ptr(rc.PageSize)})
	})
}

// AllSKUs iterates over all SKUs in the order of their codes.
func (c *Client) AllSKUs(ctx context.Context) iter.Seq2[Sku, error] {
	return rc.Each[Sku](func(after *string) (*http.Response, error) {
		return c.raw.ListSkus(ctx, &ListSkusParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}

// Allocations returns the allocations of the orders named, as far as they exist.
func (c *Client) Allocations(ctx context.Context, orders []string) ([]Allocation, error) {
	return rc.ByKeys[Allocation](orders, func(orders []string) (*http.Response, error) {
		return c.raw.ListAllocations(ctx, &ListAllocationsParams{Order: &orders, Limit: rc.Ptr(rc.PageSize)})
	})
}

// AllAllocations iterates over all allocations by order.
func (c *Client) AllAllocations(ctx context.Context) iter.Seq2[Allocation, error] {
	return rc.Each[Allocation](func(after *string) (*http.Response, error) {
		return c.raw.ListAllocations(ctx, &ListAllocationsParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}

// Upload sends a CSV file of receipts.
func (c *Client) Upload(ctx context.Context, csv io.Reader) (Import, error) {
	a, err := rc.Read[Import](c.raw.CreateImportWithBody(ctx, "text/csv", csv))
	return a.Value, err
}

// Import returns the state of an import.
func (c *Client) Import(ctx context.Context, id string) (Import, error) {
	a, err := rc.Read[Import](c.raw.GetImport(ctx, id))
	return a.Value, err
}

// CancelImport ends an import that is not over; what it has taken stays.
func (c *Client) CancelImport(ctx context.Context, id string) (Import, error) {
	a, err := rc.Read[Import](c.raw.CancelImport(ctx, id))
	return a.Value, err
}
