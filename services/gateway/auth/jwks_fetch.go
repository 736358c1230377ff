package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Limits of a fetch.
const (
	fetchTimeout = 5 * time.Second
	maxSetBytes  = 1 << 20 // bytes; those of today's issuers have some thousands
	maxRedirects = 3
)

// restrictRedirects returns a client that follows few redirects and none from https to
// http: whoever answers there would choose the accepted keys.
func restrictRedirects(hc *http.Client) *http.Client {
	c := *hc
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > maxRedirects:
			return fmt.Errorf("more than %d redirects", maxRedirects)
		case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
			return fmt.Errorf("redirected from https to %s", r.URL.Redacted())
		}
		return nil
	}
	return &c
}

// redacted returns a URL without its password, for the log.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(no URL)"
	}
	return u.Redacted()
}

// fetchSet fetches the issuer's keys on behalf of all waiting callers: it goes on when
// one of them leaves.
func fetchSet(hc *http.Client, address string) (jwk.Set, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := hc.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers with %s", answer.Status)
	}
	document, err := io.ReadAll(io.LimitReader(answer.Body, maxSetBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(document) > maxSetBytes:
		return nil, fmt.Errorf("its answer is larger than %d bytes", maxSetBytes)
	}
	return readSet(document)
}

// readSet parses a JSON Web Key Set and returns the supported public keys for
// signatures. It ignores other keys (RFC 7517, section 5): an issuer may publish keys
// for other uses and of later kinds. Secret keys are ignored.
func readSet(document []byte) (jwk.Set, error) {
	var said struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &said); err != nil || said.Keys == nil {
		return nil, errors.Join(errors.New("what it answers with is no JSON Web Key Set"), err)
	}
	set := jwk.NewSet()
	for _, raw := range *said.Keys {
		if key, err := readKey(raw); err == nil {
			err = set.AddKey(key)
			if err != nil {
				return nil, fmt.Errorf("add key: %w", err)
			}
		}
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("none of its %d keys can be used to check signatures", len(*said.Keys))
	}
	return set, nil
}

func readKey(raw []byte) (jwk.Key, error) {
	key, err := jwk.ParseKey(raw)
	switch {
	case err != nil:
		return nil, err
	case key.KeyType() == jwa.OctetSeq() || !forSignatures(key):
		return nil, errors.New("no public key for signatures")
	}
	return key.PublicKey()
}
