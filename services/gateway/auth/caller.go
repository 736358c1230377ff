package auth

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/pkg/fault"
)

// Role permits a caller to make certain requests. No role implies another.
type Role = app.Role

// The roles of callers.
const (
	Customer  = app.Customer
	Warehouse = app.Warehouse
	Staff     = app.Staff
)

// AllRoles returns every role.
func AllRoles() []Role { return []Role{Customer, Warehouse, Staff} }

// ParseRoles parses the names of roles and drops duplicates. It returns a fault
// (Invalid) that names an unknown role.
func ParseRoles(names []string) (roles []Role, err error) {
	for _, name := range names {
		role := Role(strings.TrimSpace(name))
		if !slices.Contains(AllRoles(), role) {
			return nil, fault.New(fault.Invalid, "role_unknown", "%q is not a role; the roles are customer, warehouse and staff", name)
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// Kind says how a caller was identified.
type Kind string

// The kinds of callers.
const (
	KindUser Kind = "user" // a person, by a token of the issuer
	KindKey  Kind = "key"  // a machine, by an API key
	KindDev  Kind = "dev"  // a person, by a token of the development sign-in
)

// Caller identifies the caller of a request. The zero Caller is anonymous.
type Caller struct {
	Kind Kind
	// Subject is the customer's name for a person and for a key that acts for a
	// customer; for any other key it is "key-" and the key's ID.
	Subject string
	Roles   []Role
	// ExpiresAt is the expiry stated by the token or key; zero: never. GoodUntil adds
	// the tolerated clock difference.
	ExpiresAt time.Time
}

// GoodUntil returns the time from which the credentials are refused; zero: never. A
// revoked key is refused earlier. A token is accepted for 30 s after ExpiresAt, because
// the issuer's clock may differ.
func (c Caller) GoodUntil() time.Time {
	if c.ExpiresAt.IsZero() || c.Kind == KindKey {
		return c.ExpiresAt
	}
	return c.ExpiresAt.Add(skew)
}

// Anonymous reports whether the request carried no credentials.
func (c Caller) Anonymous() bool { return c.Kind == "" }

// Is reports whether the caller has one of the roles.
func (c Caller) Is(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(c.Roles, r) })
}

// ID returns an identifier that is unique among callers. Callers of different kinds with
// the same subject have different IDs. The anonymous caller's ID is empty.
func (c Caller) ID() string {
	if c.Anonymous() {
		return ""
	}
	return string(c.Kind) + ":" + c.Subject
}

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller that WithCaller put into ctx, or the anonymous caller.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

var subjectPattern = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// subjectRule describes the names that isSubject accepts.
const subjectRule = "1 to 64 of A-Z a-z 0-9 . _ @ -, and neither . nor .."

// isSubject reports whether services accept text as the name of a customer. The names .
// and .. are refused: clients and servers remove these path segments from URLs.
func isSubject(text string) bool {
	return subjectPattern.MatchString(text) && text != "." && text != ".."
}
