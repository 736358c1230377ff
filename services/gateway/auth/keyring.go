package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"quadrille/pkg/restclient"
)

// Key is the API's representation of an API key. Times are UTC.
type Key struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Roles      []string   `json:"roles"`
	Subject    string     `json:"subject,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"` // to the minute
	// Key is the text that its owner sends. Only the response of Create has it.
	Key string `json:"key,omitempty"`
}

// KeyList is the API's list of keys, oldest first.
type KeyList struct {
	Items []Key `json:"items"`
}

// KeyRequest is the API's request to create a key.
type KeyRequest struct {
	Name      string     `json:"name"`
	Roles     []string   `json:"roles"`
	Subject   string     `json:"subject,omitempty"`    // the customer for whom the key acts; required with the role customer
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // nil: never
}

// Check returns a fault that names every invalid field.
func (n KeyRequest) Check(now time.Time) error {
	spec, err := n.spec()
	if err != nil {
		return err
	}
	return spec.Validate(now)
}

func (n KeyRequest) spec() (KeySpec, error) {
	roles, err := ParseRoles(n.Roles)
	return KeySpec{Name: n.Name, Roles: roles, Subject: n.Subject, ExpiresAt: n.ExpiresAt}, err
}

// Keyring manages API keys. It returns faults for errors of the caller. LocalKeys works
// in the gateway's database, RemoteKeys through the API of a running gateway.
type Keyring interface {
	// Create creates a key. Only this result contains the key's text.
	Create(ctx context.Context, n KeyRequest) (Key, error)
	// Keys returns all keys, oldest first, including revoked ones.
	Keys(ctx context.Context) ([]Key, error)
	// Revoke revokes a key. Revoking it again changes nothing.
	Revoke(ctx context.Context, id string) (Key, error)
}

func newKeyView(row APIKey) Key {
	return Key{
		ID: row.ID, Name: row.Name, Roles: strings.Split(row.Roles, ","), Subject: row.Subject,
		CreatedAt: row.CreatedAt.UTC(), ExpiresAt: utc(row.ExpiresAt), RevokedAt: utc(row.RevokedAt), LastUsedAt: utc(row.LastUsedAt),
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// LocalKeys manages the keys in the gateway's database.
type LocalKeys struct{ Store *KeyStore }

// Create implements Keyring.
func (k LocalKeys) Create(ctx context.Context, n KeyRequest) (Key, error) {
	spec, err := n.spec()
	if err != nil {
		return Key{}, err
	}
	row, text, err := k.Store.Create(ctx, spec)
	if err != nil {
		return Key{}, err
	}
	created := newKeyView(row)
	created.Key = text
	return created, nil
}

// Keys implements Keyring.
func (k LocalKeys) Keys(ctx context.Context) ([]Key, error) {
	rows, err := k.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = newKeyView(row)
	}
	return keys, nil
}

// Revoke implements Keyring.
func (k LocalKeys) Revoke(ctx context.Context, id string) (Key, error) {
	row, err := k.Store.Revoke(ctx, id)
	if err != nil {
		return Key{}, err
	}
	return newKeyView(row), nil
}

// RemoteKeys manages the keys of a running gateway through its API.
type RemoteKeys struct {
	URL  string // base URL of the internal API, ending in /internal
	HTTP *http.Client
}

// Create implements Keyring. If the response is lost, a key remains whose text cannot be
// retrieved; revoke it.
func (a RemoteKeys) Create(ctx context.Context, n KeyRequest) (Key, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return Key{}, fmt.Errorf("encode request: %w", err)
	}
	return call[Key](ctx, a, http.MethodPost, "", body)
}

// Keys implements Keyring.
func (a RemoteKeys) Keys(ctx context.Context) ([]Key, error) {
	list, err := call[KeyList](ctx, a, http.MethodGet, "", nil)
	return list.Items, err
}

// Revoke implements Keyring.
func (a RemoteKeys) Revoke(ctx context.Context, id string) (Key, error) {
	return call[Key](ctx, a, http.MethodDelete, "/"+url.PathEscape(id), nil)
}

func call[T any](ctx context.Context, a RemoteKeys, method, below string, body []byte) (out T, err error) {
	r, err := http.NewRequestWithContext(ctx, method, a.URL+"/ops/keys"+below, bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("create request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := restclient.Read[T](a.HTTP.Do(r))
	return response.Value, err
}
