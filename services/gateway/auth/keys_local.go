package auth

import (
	"context"
)

// LocalKeys manages the keys in the gateway's database.
type LocalKeys struct{ Store *KeyStore }

// Create implements Keyring.
func (k LocalKeys) Create(ctx context.Context, n KeyRequest) (Key, error) {
	wanted, err := n.spec()
	if err != nil {
		return Key{}, err
	}
	row, text, err := k.Store.Create(ctx, wanted)
	if err != nil {
		return Key{}, err
	}
	made := newKeyView(row)
	made.Key = text
	return made, nil
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
