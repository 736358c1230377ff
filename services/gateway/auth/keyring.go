package auth

import (
	"context"
	"strings"
	"time"
)

// Key is a key, as the API shows it. Times are UTC.
type Key struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Roles      []string   `json:"roles"`
	Subject    string     `json:"subject,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"` // to the minute
	// Key is what its owner sends; shown once, when it is made.
	Key string `json:"key,omitempty"`
}

// KeyList is the response of a list of keys, oldest first.
type KeyList struct {
	Items []Key `json:"items"`
}

// KeyRequest describes a key to create, as the API takes it.
type KeyRequest struct {
	Name      string     `json:"name"`
	Roles     []string   `json:"roles"`
	Subject   string     `json:"subject,omitempty"`    // the customer that it acts for; goes with the role customer
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // nil: never
}

// Check returns a fault that names every invalid field.
func (n KeyRequest) Check(now time.Time) error {
	wanted, err := n.spec()
	if err != nil {
		return err
	}
	return wanted.Validate(now)
}

func (n KeyRequest) spec() (KeySpec, error) {
	roles, err := ParseRoles(n.Roles)
	return KeySpec{Name: n.Name, Roles: roles, Subject: n.Subject, ExpiresAt: n.ExpiresAt}, err
}

// Keyring manages API keys. It returns faults for errors of the caller.
type Keyring interface {
	// Create makes a key; what it returns alone has the text of the key.
	Create(ctx context.Context, n KeyRequest) (Key, error)
	// Keys is all keys, oldest first, those that were revoked too.
	Keys(ctx context.Context) ([]Key, error)
	// Revoke ends a key. Revoking it again changes nothing.
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
