package auth

import (
	"encoding/asn1"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// leastSecret is how many bytes a secret has at least: as many as HS256 makes (RFC 7518,
// section 3.2).
const leastSecret = 32

// secretKey makes the key of JWT_SECRET. It refuses what others may know: a public key,
// a certificate, where either of them is found. Its errors never show the secret.
func secretKey(secret string) (jwk.Set, error) {
	if public := notSecret(secret); public != "" {
		return nil, fmt.Errorf("JWT_SECRET is %s, and no secret: whoever knows it could sign tokens. Public keys go into JWT_KEY, in PEM, or are found at JWKS_URL", public)
	}
	switch {
	case secret != strings.TrimSpace(secret):
		return nil, errors.New("JWT_SECRET begins or ends with white space, which issuers do not sign with: take it away")
	case len(secret) < leastSecret:
		return nil, fmt.Errorf("JWT_SECRET is not a secret of %d bytes or more: openssl rand -hex 32 makes one", leastSecret)
	}
	key, err := jwk.Import([]byte(secret))
	if err != nil {
		return nil, fmt.Errorf("JWT_SECRET: %w", err)
	}
	set := jwk.NewSet()
	return set, set.AddKey(key)
}

// notSecret names what text is in place of a secret; empty where it may be one. It looks
// below up to three layers of base64, base32, hexadecimal, percent-encoding and quotes.
func notSecret(text string) string {
	const layers = 3
	return unwrap([]byte(text), layers)
}

func unwrap(text []byte, layers int) string {
	if what := known(text); what != "" {
		return what
	}
	if layers == 0 {
		return ""
	}
	for _, inner := range decoded(string(text)) {
		if what := unwrap(inner, layers-1); what != "" {
			return what
		}
	}
	return ""
}

// known names what text is as it stands.
func known(text []byte) string {
	s := strings.TrimSpace(string(text))
	lower := strings.ToLower(s)
	switch {
	case isDER(text):
		return "a key or certificate in DER, or in PEM without its first and last line"
	case sshBlob.Match(text):
		return "a key of SSH"
	case strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' && !unicode.IsSpace(r) }):
		return "" // random bytes may look like anything that is short
	case strings.Contains(lower, "-----begin"), strings.Contains(lower, "-----end"), strings.Contains(lower, "---- begin"), strings.Contains(lower, `\n-----`):
		return "a key or certificate in PEM"
	case (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")) && json.Valid([]byte(s)), strings.HasPrefix(s, "{") && strings.Contains(lower, `"kty"`):
		return "a key in JSON"
	case strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">"):
		return "a key in XML"
	case strings.Contains(s, "://"), strings.HasPrefix(lower, "data:"), strings.HasPrefix(lower, "file:"), strings.HasPrefix(lower, "www."):
		return "a URL"
	case sshKey.MatchString(s):
		return "a key of SSH"
	case token.MatchString(s):
		return "a token"
	case isPath(s):
		return "a file's path"
	}
	return ""
}

var (
	sshKey = regexp.MustCompile(`(^|\s)(ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]+ `)
	// sshBlob is how what stands in base64 in such a key begins: a name's length and name.
	sshBlob = regexp.MustCompile(`^\x00\x00\x00.(ssh-|ecdsa-|sk-)`)
	token   = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)
	// keyFile is a name as files of keys have it; no base64 ends like this.
	keyFile   = regexp.MustCompile(`^\S+\.(pem|key|pub|crt|cer|cert|der|jwk|jwks|json|p8|p12|pfx|txt|ya?ml|env|conf)$`)
	drivePath = regexp.MustCompile(`^[A-Za-z]:[\\/]|^\\\\`)
	base64Std = regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`)
)

// isPath reports whether text is where a file is. Base64 may begin with a slash, and is
// a path only if there is such a file.
func isPath(text string) bool {
	if strings.ContainsAny(text, "\x00\n") || len(text) > 4096 {
		return false
	}
	switch {
	case strings.HasPrefix(text, "./"), strings.HasPrefix(text, "../"), strings.HasPrefix(text, "~/"), strings.HasPrefix(text, "$"), drivePath.MatchString(text):
		return true
	case keyFile.MatchString(strings.ToLower(text)):
		return true
	case path.IsAbs(text) && !base64Std.MatchString(text):
		return true
	}
	info, err := os.Stat(text)
	return err == nil && info.Mode().IsRegular()
}

// isDER reports whether text is one ASN.1 sequence from end to end, as keys,
// certificates and requests for them are. Random bytes are none, for all that matters:
// length and contents have to fit.
func isDER(text []byte) bool {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(text, &outer)
	return err == nil && len(rest) == 0 && outer.Class == asn1.ClassUniversal && outer.Tag == asn1.TagSequence && outer.IsCompound && elements(outer.Bytes)
}

// elements reports whether text is one or more ASN.1 values, one behind the other.
func elements(text []byte) bool {
	for len(text) > 0 {
		var inner asn1.RawValue
		rest, err := asn1.Unmarshal(text, &inner)
		if err != nil {
			return false
		}
		text = rest
	}
	return true
}

// decoded returns the bytes that text may encode.
func decoded(text string) (all [][]byte) {
	add := func(b []byte, err error) {
		if err == nil && len(b) > 0 && string(b) != text && !slices.ContainsFunc(all, func(have []byte) bool { return string(have) == string(b) }) {
			all = append(all, b)
		}
	}
	if unquoted := strings.Trim(text, "\"'`"); unquoted != text {
		add([]byte(unquoted), nil)
	}
	add([]byte(strings.NewReplacer(`\n`, "\n", `\r`, "", `\"`, `"`).Replace(text)), nil)
	if strings.Contains(text, "%") {
		plain, err := url.PathUnescape(text)
		add([]byte(plain), err)
	}
	dense := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n\v\f:,;", r) {
			return -1
		}
		return r
	}, text)
	bare := strings.TrimRight(dense, "=")
	add(base64.RawStdEncoding.DecodeString(bare))
	add(base64.RawURLEncoding.DecodeString(bare))
	add(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(bare)))
	add(hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(dense), "0x"), `\x`, "")))
	return all
}
