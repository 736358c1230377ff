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
	maxSetBytes  = 1 << 20 // bytes; key sets of common issuers have a few thousand
	maxRedirects = 3
)

// restrictRedirects returns a copy of hc that follows up to maxRedirects redirects and
// none from https to http: an attacker on the network could answer over http and choose
// the accepted keys.
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

// redacted replaces the password in a URL, for the log.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(invalid URL)"
	}
	return u.Redacted()
}

// fetchSet fetches the issuer's keys within fetchTimeout. It takes no context: the fetch
// serves all waiting callers and must not end with one of them.
func fetchSet(hc *http.Client, address string) (jwk.Set, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("create request: %w", err)
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := hc.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the response is %s", response.Status)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxSetBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read response: %w", err)
	case len(document) > maxSetBytes:
		return nil, fmt.Errorf("the response is larger than %d bytes", maxSetBytes)
	}
	return readSet(document)
}

// readSet parses a JSON Web Key Set and returns its public keys for signatures. It
// ignores unsupported keys and keys for other uses (RFC 7517, section 5), and secret
// keys. It returns an error if no key remains.
func readSet(document []byte) (jwk.Set, error) {
	var parsed struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &parsed); err != nil || parsed.Keys == nil {
		return nil, errors.Join(errors.New("the response is not a JSON Web Key Set"), err)
	}
	set := jwk.NewSet()
	for _, raw := range *parsed.Keys {
		if key, err := readKey(raw); err == nil {
			err = set.AddKey(key)
			if err != nil {
				return nil, fmt.Errorf("add key: %w", err)
			}
		}
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("none of the %d keys can be used to verify signatures", len(*parsed.Keys))
	}
	return set, nil
}

func readKey(raw []byte) (jwk.Key, error) {
	key, err := jwk.ParseKey(raw)
	switch {
	case err != nil:
		return nil, err
	case key.KeyType() == jwa.OctetSeq() || !forSignatures(key):
		return nil, errors.New("not a public key for signatures")
	}
	return key.PublicKey()
}
