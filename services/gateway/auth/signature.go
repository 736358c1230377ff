package auth

import (
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// signedToken is a parsed token that is not verified yet.
type signedToken struct {
	text      string
	algorithm string
	kid       string // ID of the signing key; empty: not given
	critical  bool   // it has a crit header, whose extensions the receiver must understand
	claims    claimSet
}

// parseToken parses a token with one signature. It does not verify it.
func parseToken(token string) (signedToken, error) {
	message, err := jws.Parse([]byte(token), jws.WithCompact())
	if err != nil {
		return signedToken{}, fmt.Errorf("read token: %w", err)
	}
	if len(message.Signatures()) != 1 {
		return signedToken{}, fmt.Errorf("read token: %d signatures, want 1", len(message.Signatures()))
	}
	s := signedToken{text: token}
	headers := message.Signatures()[0].ProtectedHeaders()
	if a, has := headers.Algorithm(); has {
		s.algorithm = a.String()
	}
	s.kid, _ = headers.KeyID()
	s.critical = headers.Has(jws.CriticalKey)
	s.claims, err = readClaims(message.Payload())
	return s, err
}

// signedBy reports whether a key of the set signed the token with the algorithm in the
// token's header, which the caller has checked. Properties of a key can only exclude it;
// they never select another algorithm.
func (s signedToken) signedBy(keys jwk.Set) bool {
	algorithm, known := jwa.LookupSignatureAlgorithm(s.algorithm)
	if !known {
		return false
	}
	for i := range keys.Len() {
		key, _ := keys.Key(i)
		if !s.mayBeSignedBy(key) {
			continue
		}
		if _, err := jws.VerifyCompactFast(key, []byte(s.text), algorithm); err == nil {
			return true
		}
	}
	return false
}

// mayBeSignedBy reports whether ID, algorithm and use of the key agree with the token.
func (s signedToken) mayBeSignedBy(key jwk.Key) bool {
	if kid, has := key.KeyID(); has && kid != "" && s.kid != "" && kid != s.kid {
		return false
	}
	if algorithm, has := key.Algorithm(); has && algorithm.String() != "" && algorithm.String() != s.algorithm {
		return false
	}
	return forSignatures(key)
}

// forSignatures reports whether the key may be used for signatures (RFC 7517, sections
// 4.2 and 4.3).
func forSignatures(key jwk.Key) bool {
	if use, has := key.KeyUsage(); has && use != "" && use != jwk.ForSignature.String() {
		return false
	}
	may, has := key.KeyOps()
	return !has || len(may) == 0 || slices.Contains(may, jwk.KeyOpVerify)
}
