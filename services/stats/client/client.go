// Package client calls stats' REST API. It wraps the code generated from openapi.yaml: it
// returns plain models, and faults as errors.
package client

import (
	"context"
	"iter"
	"net/http"

	rc "quadrille/pkg/restclient"
)

//go:generate go tool oapi-codegen -config codegen.yaml ../openapi.yaml

// Client calls one instance of stats. It is safe for concurrent use.
type Client struct{ raw *rawClient }

// New returns a client of the stats at baseURL.
func New(baseURL string, hc *http.Client) (*Client, error) {
	raw, err := NewClient(baseURL, WithHTTPClient(hc))
	return &Client{raw: raw}, err
}

// Summary returns the figures of all orders.
func (c *Client) Summary(ctx context.Context) (Summary, error) {
	a, err := rc.Read[Summary](c.raw.GetSummary(ctx))
	return a.Value, err
}

// Daily returns sales by day (YYYY-MM-DD). An empty from or to sets no bound.
func (c *Client) Daily(ctx context.Context, from, to string) ([]Daily, error) {
	var params GetDailyParams
	if from != "" {
		params.From = &from
	}
	if to != "" {
		params.To = &to
	}
	a, err := rc.Read[DailyList](c.raw.GetDaily(ctx, &params))
	return a.Value.Items, err
}

// Top returns up to limit SKUs with the most units sold.
func (c *Client) Top(ctx context.Context, limit int) ([]Top, error) {
	a, err := rc.Read[TopList](c.raw.GetTop(ctx, &GetTopParams{Limit: &limit}))
	return a.Value.Items, err
}

// AllOrders iterates over stats' copies of sales' orders.
func (c *Client) AllOrders(ctx context.Context) iter.Seq2[Order, error] {
	return rc.Each[Order](func(after *string) (*http.Response, error) {
		return c.raw.ListOrders(ctx, &ListOrdersParams{After: after, Limit: rc.Ptr(rc.PageSize)})
	})
}
