package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"quadrille/pkg/restclient"
)

// Client calls one service. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// New returns a client for the service at baseURL.
func New(baseURL string, hc *http.Client) *Client { return &Client{base: baseURL, http: hc} }

// ask makes one call and decodes the response. It sends in as JSON unless in is nil.
func ask[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (out T, err error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return out, fmt.Errorf("write request: %w", err)
		}
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, &body)
	if err != nil {
		return out, fmt.Errorf("make request: %w", err)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := restclient.Read[T](c.http.Do(r))
	return answer.Value, err
}

// Alive reports whether the service's process responds, with any status.
func (c *Client) Alive(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/healthz", nil)
	if err != nil {
		return false
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return true
}
