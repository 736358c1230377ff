package auth

import (
	"context"
)

// LocalKeys is the keys in the gateway's database.
type LocalKeys struct{ Store *KeyStore }

// Create is Keyring's.
func (k LocalKeys) Create(ctx context.Context, n KeyRequest) (Key, error) {
	wanted, err := n.wanted()
	if err != nil {
		return Key{}, err
	}
	row, text, err := k.Store.Create(ctx, wanted)
	if err != nil {
		return Key{}, err
	}
	made := keyOf(row)
	made.Key = text
	return made, nil
}

// Keys is Keyring's.
func (k LocalKeys) Keys(ctx context.Context) ([]Key, error) {
	rows, err := k.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = keyOf(row)
	}
	return keys, nil
}

// Revoke is Keyring's.
func (k LocalKeys) Revoke(ctx context.Context, id string) (Key, error) {
	row, err := k.Store.Revoke(ctx, id)
	if err != nil {
		return Key{}, err
	}
	return keyOf(row), nil
}
