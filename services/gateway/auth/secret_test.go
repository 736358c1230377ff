package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// keyForms returns keys and certificates in the formats that users paste, by name.
func keyForms(t testing.TB) map[string][]byte {
	t.Helper()
	ok := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{CommonName: "id.test"}}
	forms := map[string][]byte{
		"EC public": ok(x509.MarshalPKIXPublicKey(&ec.PublicKey)), "RSA public": ok(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)), "Ed25519 public": ok(x509.MarshalPKIXPublicKey(ed)),
		"PKCS 1": x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), "PKCS 8": ok(x509.MarshalPKCS8PrivateKey(edPrivate)), "PKCS 1 private": x509.MarshalPKCS1PrivateKey(rsaKey),
		"SEC 1": ok(x509.MarshalECPrivateKey(ec)), "certificate": ok(x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec)),
		"request": ok(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, ec)),
	}
	for name, der := range forms {
		forms[name+" in PEM"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	for name, raw := range map[string]any{"EC": &ec.PublicKey, "RSA": &rsaKey.PublicKey, "Ed25519": ed} {
		key, err := jwk.Import(raw)
		if err != nil {
			t.Fatal(err)
		}
		set := jwk.NewSet()
		if err := set.AddKey(key); err != nil {
			t.Fatal(err)
		}
		one, err := json.Marshal(key)
		forms[name+" JWK"] = ok(one, err)
		all, err := json.MarshalIndent(set, "", "  ")
		forms[name+" JWKS"] = ok(all, err)
	}
	return forms
}

// wrappings returns the encodings of a key in an environment variable, by name.
func wrappings() map[string]func([]byte) string {
	lines := func(s string) string {
		var b strings.Builder
		for i, r := range s {
			if i > 0 && i%64 == 0 {
				b.WriteByte('\n')
			}
			b.WriteRune(r)
		}
		return b.String()
	}
	std := base64.StdEncoding.EncodeToString
	return map[string]func([]byte) string{
		"base64":           std,
		"base64 in lines":  func(b []byte) string { return lines(std(b)) },
		"raw base64":       base64.RawStdEncoding.EncodeToString,
		"base64url":        base64.URLEncoding.EncodeToString,
		"raw base64url":    base64.RawURLEncoding.EncodeToString,
		"base64 twice":     func(b []byte) string { return std([]byte(std(b))) },
		"base64 of hex":    func(b []byte) string { return std([]byte(hex.EncodeToString(b))) },
		"hex":              hex.EncodeToString,
		"upper hex":        func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		"0x hex":           func(b []byte) string { return "0x" + hex.EncodeToString(b) },
		"hex with colons":  func(b []byte) string { return strings.TrimSuffix(colons(b), ":") },
		"base32":           base32.StdEncoding.EncodeToString,
		"quoted base64":    func(b []byte) string { return `"` + std(b) + `"` },
		"percent-encoded":  func(b []byte) string { return url.QueryEscape(std(b)) },
		"with a line end":  func(b []byte) string { return std(b) + "\n" },
		"lines by escapes": func(b []byte) string { return strings.ReplaceAll(lines(std(b)), "\n", `\n`) },
	}
}

func colons(b []byte) string {
	var out strings.Builder
	for _, x := range b {
		out.WriteString(hex.EncodeToString([]byte{x}) + ":")
	}
	return out.String()
}

// JWT_SECRET accepts no key in any format, and JWT_KEY none but PEM: with a public key as
// the secret anybody could sign tokens.
func TestRefusesKeysAsSecrets(t *testing.T) {
	t.Parallel()
	none := slog.New(slog.DiscardHandler)
	for form, key := range keyForms(t) {
		packed := map[string]string{"as it is": string(key)}
		for name, wrap := range wrappings() {
			packed[name] = wrap(key)
		}
		for name, text := range packed {
			secret := text
			if utf8.ValidString(text) { // do not trim raw DER: its last byte may be a space
				secret = strings.TrimSpace(text)
			}
			by := IssuerConfig{Secret: secret, Issuer: "i", Audience: "a"}
			if _, err := by.NewTokens(none); err == nil || strings.Contains(err.Error(), text[:min(24, len(text))]) {
				t.Errorf("JWT_SECRET, %s, %s: %v", form, name, err)
			}
			if name == "as it is" && strings.Contains(form, "PEM") {
				continue
			}
			by = IssuerConfig{Key: text, Issuer: "i", Audience: "a"}
			if _, err := by.NewTokens(none); err == nil || strings.Contains(err.Error(), text[:min(24, len(text))]) {
				t.Errorf("JWT_KEY, %s, %s: %v", form, name, err)
			}
		}
	}
}

func TestRefusesPathsURLsAndTokensAsSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), strings.Repeat("a", minSecret))
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"existing file": file, "path": "/run/secrets/jwt_public_key_of_production", "path with an extension": "/etc/quadrille/keys/production.pem", "relative path": "./keys/of/production/public-key-2026",
		"file name": "production-public-key-of-the-issuer.pem", "home directory": "~/keys/of/production/public-key-2026", "Windows path": `C:\keys\of\production\public-key-2026`, "a variable": "$JWT_SECRET_OF_THE_ISSUER_IN_PRODUCTION",
		"a URL": "https://id.test/realms/shop/protocol/keys", "a file's URL": "file:///etc/quadrille/keys/production", "a data URL": "data:application/x-pem-file;base64,MFkwEwYHKoZIzj0CAQ",
		"an SSH key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0aX5mGZ0 me@here", "an ECDSA key": "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY= me@here",
		"an SSH key's base64": base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00 0123456789abcdef0123456789abcdef")),
		"half a PEM":          "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ", "another case": "-----begin public key-----mfkwewyhkozizj0caq", "SSH2": "---- BEGIN SSH2 PUBLIC KEY ----AAAAC3NzaC1lZDI1NTE5",
		"XML": "<RSAKeyValue><Modulus>abc</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>", "a token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
		"short secret": "hunter2", "white space": strings.Repeat(" ", 40), "a line end": strings.Repeat("s3cret", 6) + "\n",
	} {
		if _, err := secretKey(text); err == nil || strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "s3crets3cret") {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := publicKeys(text); err == nil || !strings.Contains(err.Error(), "JWT_KEY") {
			t.Errorf("JWT_KEY, %s: %v", what, err)
		}
	}
}

func TestAcceptsGeneratedSecrets(t *testing.T) {
	t.Parallel()
	for range 2000 {
		b := make([]byte, 48)
		_, _ = rand.Read(b)
		for _, text := range []string{
			base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b), hex.EncodeToString(b), base32.StdEncoding.EncodeToString(b), rand.Text() + rand.Text(),
			"/" + base64.StdEncoding.EncodeToString(b)[1:],
		} {
			if _, err := secretKey(text); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	}
	for _, text := range []string{"correct horse battery staple, and more", "0123456789abcdef0123456789abcdef", "p@ss/w0rd.with+odd:characters{and}more"} {
		if _, err := secretKey(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzRefusesKeysAsSecrets encodes keys in three layers and looks for one that passes as a
// secret.
func FuzzRefusesKeysAsSecrets(f *testing.F) {
	forms, ways := keyForms(f), []func([]byte) []byte{
		func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) },
		func(b []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(b)) },
		func(b []byte) []byte { return []byte(hex.EncodeToString(b)) },
		func(b []byte) []byte { return append(append([]byte(`"`), b...), '"') },
		func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte(`\n`)) },
	}
	var keys [][]byte
	for _, key := range forms {
		keys = append(keys, key)
	}
	f.Add(uint8(0), uint8(1), uint8(2), uint8(3), "")
	f.Add(uint8(7), uint8(0), uint8(4), uint8(4), "0123456789abcdef0123456789abcdef")
	f.Fuzz(func(t *testing.T, which, first, second, third uint8, text string) {
		key := keys[int(which)%len(keys)]
		for _, way := range []uint8{first, second, third} {
			key = ways[int(way)%len(ways)](key)
		}
		if _, err := secretKey(string(key)); err == nil {
			t.Errorf("%.80q is accepted as a secret", key)
		}
		if set, err := secretKey(text); err == nil && (len(text) < minSecret || set.Len() != 1) {
			t.Errorf("%q is accepted as a secret", text)
		}
	})
}
