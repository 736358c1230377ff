package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"quadrille/pkg/restclient"
)

// RemoteKeys manages the keys of a running gateway through its API.
type RemoteKeys struct {
	URL  string // of the internal API: …/internal
	HTTP *http.Client
}

// Create implements Keyring. Where the response is lost, a key exists whose text
// nobody knows.
func (a RemoteKeys) Create(ctx context.Context, n KeyRequest) (Key, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return Key{}, fmt.Errorf("write request: %w", err)
	}
	return ask[Key](ctx, a, http.MethodPost, "", body)
}

// Keys implements Keyring.
func (a RemoteKeys) Keys(ctx context.Context) ([]Key, error) {
	list, err := ask[KeyList](ctx, a, http.MethodGet, "", nil)
	return list.Items, err
}

// Revoke implements Keyring.
func (a RemoteKeys) Revoke(ctx context.Context, id string) (Key, error) {
	return ask[Key](ctx, a, http.MethodDelete, "/"+url.PathEscape(id), nil)
}

func ask[T any](ctx context.Context, a RemoteKeys, method, below string, body []byte) (out T, err error) {
	r, err := http.NewRequestWithContext(ctx, method, a.URL+"/ops/keys"+below, bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := restclient.Read[T](a.HTTP.Do(r))
	return answer.Value, err
}
