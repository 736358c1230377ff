package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"quadrille/pkg/fault"
)

// APIKey is a row of the table api_keys. It holds a hash of the secret: enough to
// verify a key, not enough to use it.
type APIKey struct {
	ID         string `gorm:"primaryKey"`
	Name       string // purpose, for people
	Hash       string // SHA-256 of the secret, in hexadecimal
	Roles      string // names, separated by commas
	Subject    string // the customer for whom the key acts; empty: none
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
	LastUsedAt *time.Time // to the minute
}

// TableName implements gorm's Tabler.
func (APIKey) TableName() string { return "api_keys" }

// keyPrefix distinguishes keys from tokens, and makes leaked keys findable for secret
// scanners.
const keyPrefix = "qk_"

// Syntax of a key and of its ID. Other texts are rejected without a query: PostgreSQL
// refuses some bytes, such as NUL.
var (
	idPattern  = regexp.MustCompile(`^[a-z2-7]{16}$`)
	keyPattern = regexp.MustCompile(`^qk_([a-z2-7]{16})_([a-z2-7]{52})$`)
)

// Random bytes in a key. Base32 encodes them in 16 and 52 characters.
const (
	idBytes     = 10
	secretBytes = 32
)

// KeySpec describes a key to create.
type KeySpec struct {
	Name      string
	Roles     []Role
	Subject   string     // the customer for whom the key acts; required with the role customer, refused without it
	ExpiresAt *time.Time // nil: never
}

// Validate returns a fault that names every invalid field.
func (n KeySpec) Validate(now time.Time) error {
	f := fault.New(fault.Invalid, "key_invalid", "the key cannot be created with these values")
	bad := f
	if n.Name == "" || utf8.RuneCountInString(n.Name) > 100 {
		bad = bad.With("/name", "must have 1 to 100 characters")
	}
	if !Visible(n.Name) {
		bad = bad.With("/name", "must be UTF-8 without control characters")
	}
	if len(n.Roles) == 0 {
		bad = bad.With("/roles", "must name at least one role: customer, warehouse or staff")
	}
	if n.Subject != "" && !isSubject(n.Subject) {
		bad = bad.With("/subject", "must be "+subjectRule)
	}
	if slices.Contains(n.Roles, Customer) != (n.Subject != "") {
		bad = bad.With("/subject", "must name the customer for whom the key acts if the role is customer, and be absent otherwise")
	}
	if n.ExpiresAt != nil && !n.ExpiresAt.After(now) {
		bad = bad.With("/expires_at", "is in the past")
	}
	if n.ExpiresAt != nil && n.ExpiresAt.Unix() > maxSeconds {
		bad = bad.With("/expires_at", "is after the year 9999; leave it out for a key that never expires")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// Visible reports whether text is valid UTF-8 without control characters and without
// characters that change the writing direction, so that it cannot display as another
// text.
func Visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) })
}

// generate creates the row and the key's text, which the owner sees once. The secret
// has 256 random bits, so that a fast hash protects it as well as a slow one.
func (n KeySpec) generate(now time.Time) (row APIKey, text string) {
	id, secret := random(idBytes), random(secretBytes)
	names := make([]string, len(n.Roles))
	for i, r := range n.Roles {
		names[i] = string(r)
	}
	row = APIKey{
		ID: id, Name: n.Name, Hash: hashOf(secret), Roles: strings.Join(names, ","), Subject: n.Subject,
		CreatedAt: now, ExpiresAt: n.ExpiresAt,
	}
	return row, keyPrefix + id + "_" + secret
}

// random returns n random bytes in base32.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// matches compares the secret with the key's hash in constant time.
func (k APIKey) matches(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(hashOf(secret)), []byte(k.Hash)) == 1
}

// validate returns a fault (Unauthorized) if the key was revoked or has expired.
func (k APIKey) validate(now time.Time) error {
	switch {
	case k.RevokedAt != nil:
		return fault.New(fault.Unauthorized, "key_revoked", "the API key %s was revoked", k.ID)
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return fault.New(fault.Unauthorized, "key_expired", "the API key %s has expired", k.ID)
	}
	return nil
}

func (k APIKey) caller() Caller {
	c := Caller{Kind: KindKey, Subject: k.Subject}
	if c.Subject == "" {
		c.Subject = "key-" + k.ID
	}
	for name := range strings.SplitSeq(k.Roles, ",") {
		c.Roles = append(c.Roles, Role(name))
	}
	if k.ExpiresAt != nil {
		c.ExpiresAt = *k.ExpiresAt
	}
	return c
}
