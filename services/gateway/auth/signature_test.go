package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// byHand returns a token with exactly these headers and claims, signed with RS256 or
// PS256. It uses no JWT library, which would refuse some of them.
func byHand(t *testing.T, key *rsa.PrivateKey, algorithm, headers, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(headers)) + "." + encode([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	if algorithm == "PS256" {
		signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
	must(t, err)
	return text + "." + encode(signature)
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return key
}

// public returns the public key as a JWK with these members.
func public(t *testing.T, key *rsa.PrivateKey, members map[string]any) jwk.Key {
	t.Helper()
	imported, err := jwk.Import(&key.PublicKey)
	must(t, err)
	for name, value := range members {
		must(t, imported.Set(name, value))
	}
	return imported
}

func setOf(t *testing.T, keys ...jwk.Key) jwk.Set {
	t.Helper()
	set := jwk.NewSet()
	for _, key := range keys {
		must(t, set.AddKey(key))
	}
	return set
}

// goodClaims returns the claims of a valid token.
func goodClaims(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(claims(nil))
	must(t, err)
	return string(text)
}

// Only configured algorithms verify a signature: neither the token nor the members of a
// key can select another.
func TestVerifiesWithConfiguredAlgorithmsOnly(t *testing.T) {
	key, other := rsaKey(t), rsaKey(t)
	payload := goodClaims(t)
	kid := func(kid string) map[string]any { return map[string]any{"kid": kid} }
	for what, c := range map[string]struct {
		keys            jwk.Set
		signed, headers string
		good            bool
	}{
		"PS256":                             {setOf(t, public(t, key, nil)), "PS256", `{"alg":"PS256"}`, true},
		"PS256 by a key for it":             {setOf(t, public(t, key, map[string]any{"alg": "PS256"})), "PS256", `{"alg":"PS256"}`, true},
		"RS256 under the name of PS256":     {setOf(t, public(t, key, map[string]any{"alg": "RS256"})), "RS256", `{"alg":"PS256"}`, false},
		"the same, where the key is silent": {setOf(t, public(t, key, nil)), "RS256", `{"alg":"PS256"}`, false},
		"PS256 by a key for RS256":          {setOf(t, public(t, key, map[string]any{"alg": "RS256"})), "PS256", `{"alg":"PS256"}`, false},
		"PS256 by a key to encrypt":         {setOf(t, public(t, key, map[string]any{"use": "enc"})), "PS256", `{"alg":"PS256"}`, false},
		"PS256 by a key to wrap":            {setOf(t, public(t, key, map[string]any{"key_ops": []string{"wrapKey"}})), "PS256", `{"alg":"PS256"}`, false},
		"PS256 by a key to verify":          {setOf(t, public(t, key, map[string]any{"use": "sig", "key_ops": []string{"verify"}})), "PS256", `{"alg":"PS256"}`, true},
		"RS256, which is not pinned":        {setOf(t, public(t, key, nil)), "RS256", `{"alg":"RS256"}`, false},
		"two names of algorithms":           {setOf(t, public(t, key, nil)), "RS256", `{"alg":"RS256","alg":"PS256"}`, false},
		"the other way round":               {setOf(t, public(t, key, nil)), "RS256", `{"alg":"PS256","alg":"RS256"}`, false},
		"the key that is named":             {setOf(t, public(t, other, kid("a")), public(t, key, kid("b"))), "PS256", `{"alg":"PS256","kid":"b"}`, true},
		"two keys of one name":              {setOf(t, public(t, other, kid("a")), public(t, key, kid("a"))), "PS256", `{"alg":"PS256","kid":"a"}`, true},
		"a key without a name":              {setOf(t, public(t, key, nil)), "PS256", `{"alg":"PS256","kid":"b"}`, true},
		"no key is named":                   {setOf(t, public(t, other, kid("a")), public(t, key, kid("b"))), "PS256", `{"alg":"PS256"}`, true},
		"another key is named":              {setOf(t, public(t, other, kid("a")), public(t, key, kid("b"))), "PS256", `{"alg":"PS256","kid":"a"}`, false},
		"its own key":                       {setOf(t, public(t, other, nil)), "PS256", `{"alg":"PS256","jwk":` + published(t, key) + `}`, false},
		"critical headers":                  {setOf(t, public(t, key, nil)), "PS256", `{"alg":"PS256","crit":["foo"],"foo":1}`, false},
		"critical headers that are known":   {setOf(t, public(t, key, nil)), "PS256", `{"alg":"PS256","crit":["kid"],"kid":"a"}`, false},
		"no critical headers":               {setOf(t, public(t, key, nil)), "PS256", `{"alg":"PS256","crit":[]}`, false},
		"an open payload":                   {setOf(t, public(t, key, nil)), "PS256", `{"alg":"PS256","b64":false}`, false},
	} {
		tokens, err := NewTokens(TokensConfig{Keys: Fixed(c.keys), Issuer: iss, Audience: aud, Algorithms: []string{"PS256"}, Kind: KindUser})
		must(t, err)
		caller, err := (&Authenticator{Tokens: []*Tokens{tokens}}).Authenticate(t.Context(), "Bearer "+byHand(t, key, c.signed, c.headers, payload))
		if c.good && (err != nil || caller.Subject != "ann") || !c.good && codeOf(err) != "token_invalid" {
			t.Errorf("%s: %+v, %v", what, caller, err)
		}
	}
}

func published(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	text, err := json.Marshal(public(t, key, nil))
	must(t, err)
	return string(text)
}
