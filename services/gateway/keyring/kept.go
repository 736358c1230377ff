package keyring

import (
	"context"

	"quadrille/services/gateway/identity"
)

// Kept is the keys in the gateway's database.
type Kept struct{ Rows *identity.Keys }

// Create is Ring's.
func (k Kept) Create(ctx context.Context, n New) (Key, error) {
	wanted, err := n.wanted()
	if err != nil {
		return Key{}, err
	}
	row, text, err := k.Rows.Create(ctx, wanted)
	if err != nil {
		return Key{}, err
	}
	made := keyOf(row)
	made.Key = text
	return made, nil
}

// Keys is Ring's.
func (k Kept) Keys(ctx context.Context) ([]Key, error) {
	rows, err := k.Rows.List(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = keyOf(row)
	}
	return keys, nil
}

// Revoke is Ring's.
func (k Kept) Revoke(ctx context.Context, id string) (Key, error) {
	row, err := k.Rows.Revoke(ctx, id)
	if err != nil {
		return Key{}, err
	}
	return keyOf(row), nil
}
