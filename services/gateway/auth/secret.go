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

// minSecret is the minimum length of a secret in bytes: the output size of HS256
// (RFC 7518, section 3.2).
const minSecret = 32

// secretKey returns a key set with the secret of JWT_SECRET. It refuses texts that others
// may know: public keys, certificates, their URLs and file names. Its errors never contain
// the secret.
func secretKey(secret string) (jwk.Set, error) {
	if public := notSecret(secret); public != "" {
		return nil, fmt.Errorf("JWT_SECRET is %s, not a secret: whoever knows it could sign tokens. Public keys go into JWT_KEY, in PEM, or are fetched from JWKS_URL", public)
	}
	switch {
	case secret != strings.TrimSpace(secret):
		return nil, errors.New("JWT_SECRET begins or ends with white space, which issuers do not include when they sign; remove it")
	case len(secret) < minSecret:
		return nil, fmt.Errorf("JWT_SECRET is not a secret of %d bytes or more; generate one with: openssl rand -hex 32", minSecret)
	}
	key, err := jwk.Import([]byte(secret))
	if err != nil {
		return nil, fmt.Errorf("JWT_SECRET: %w", err)
	}
	set := jwk.NewSet()
	return set, set.AddKey(key)
}

// notSecret describes text if it is not a secret, for example "a URL", and returns "" if
// it may be one. It decodes up to three layers of base64, base32, hexadecimal,
// percent-encoding and quotes.
func notSecret(text string) string {
	const layers = 3
	return unwrap([]byte(text), layers)
}

func unwrap(text []byte, layers int) string {
	if what := recognize(text); what != "" {
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

// recognize describes text if it is a key, a certificate, a token, a URL or a path, and
// returns "" otherwise. It does not decode.
func recognize(text []byte) string {
	s := strings.TrimSpace(string(text))
	lower := strings.ToLower(s)
	switch {
	case isDER(text):
		return "a key or certificate in DER, or in PEM without its first and last line"
	case sshBlob.Match(text):
		return "an SSH key"
	case strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' && !unicode.IsSpace(r) }):
		return "" // random bytes may match any of the short patterns below
	case strings.Contains(lower, "-----begin"), strings.Contains(lower, "-----end"), strings.Contains(lower, "---- begin"), strings.Contains(lower, `\n-----`):
		return "a key or certificate in PEM"
	case (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")) && json.Valid([]byte(s)), strings.HasPrefix(s, "{") && strings.Contains(lower, `"kty"`):
		return "a key in JSON"
	case strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">"):
		return "a key in XML"
	case strings.Contains(s, "://"), strings.HasPrefix(lower, "data:"), strings.HasPrefix(lower, "file:"), strings.HasPrefix(lower, "www."):
		return "a URL"
	case sshKey.MatchString(s):
		return "an SSH key"
	case token.MatchString(s):
		return "a token"
	case isPath(s):
		return "a file path"
	}
	return ""
}

var (
	sshKey = regexp.MustCompile(`(^|\s)(ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]+ `)
	// sshBlob matches the decoded base64 part of an SSH key: the length and name of its type.
	sshBlob = regexp.MustCompile(`^\x00\x00\x00.(ssh-|ecdsa-|sk-)`)
	token   = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)
	// keyFile matches names of key files. Base64 text has no dot.
	keyFile   = regexp.MustCompile(`^\S+\.(pem|key|pub|crt|cer|cert|der|jwk|jwks|json|p8|p12|pfx|txt|ya?ml|env|conf)$`)
	drivePath = regexp.MustCompile(`^[A-Za-z]:[\\/]|^\\\\`)
	base64Std = regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`)
)

// isPath reports whether text is a file path. Base64 may begin with a slash, too; such a
// text is a path only if the file exists.
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

// isDER reports whether text is exactly one ASN.1 sequence, like keys, certificates and
// certificate requests. Random bytes practically never match: length and contents must
// agree.
func isDER(text []byte) bool {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(text, &outer)
	return err == nil && len(rest) == 0 && outer.Class == asn1.ClassUniversal && outer.Tag == asn1.TagSequence && outer.IsCompound && elements(outer.Bytes)
}

// elements reports whether text is a concatenation of ASN.1 values.
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

// decoded returns every decoding of text that succeeds and differs from text.
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
