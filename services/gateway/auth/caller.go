package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"quadrille/pkg/fault"
)

// Role is what a caller may be. None implies another.
type Role string

// The roles.
const (
	Customer  Role = "customer"  // orders and wishes; every person is one
	Warehouse Role = "warehouse" // receives, adjusts and ships
	Staff     Role = "staff"     // sees everything and mends it
)

// AllRoles is every role there is.
func AllRoles() []Role { return []Role{Customer, Warehouse, Staff} }

// ParseRoles reads the names of roles. One that is none is a fault that names it.
func ParseRoles(names []string) (roles []Role, err error) {
	for _, name := range names {
		role := Role(strings.TrimSpace(name))
		if !slices.Contains(AllRoles(), role) {
			return nil, fault.New(fault.Invalid, "role_unknown", "%q is no role; there are customer, warehouse and staff", name)
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

// Kind is how a caller was made known.
type Kind string

// The kinds of callers.
const (
	KindUser Kind = "user" // a person, by a token of the issuer
	KindKey  Kind = "key"  // a machine, by an API key
	KindDev  Kind = "dev"  // a person, by a token of the development sign-in
)

// Caller is who asks. The zero Caller is anybody.
type Caller struct {
	Kind Kind
	// Subject is who it is: the customer's name of a person, and of a key that acts
	// for one; otherwise the key's ID.
	Subject string
	Roles   []Role
	// ExpiresAt is the end that the token or key has; zero: never. GoodUntil is when it
	// is refused from.
	ExpiresAt time.Time
}

// GoodUntil is when what the caller was made known by is refused from, if it is not
// taken back before; zero: for ever. A token is taken a little longer than it says, for
// its issuer's clock may differ from ours.
func (c Caller) GoodUntil() time.Time {
	if c.ExpiresAt.IsZero() || c.Kind == KindKey {
		return c.ExpiresAt
	}
	return c.ExpiresAt.Add(skew)
}

// Anonymous reports whether nobody knows who it is.
func (c Caller) Anonymous() bool { return c.Kind == "" }

// Is reports whether the caller has one of the roles.
func (c Caller) Is(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(c.Roles, r) })
}

// ID tells callers apart, whatever their kind: two of different kinds with the same
// subject are two.
func (c Caller) ID() string {
	if c.Anonymous() {
		return ""
	}
	return string(c.Kind) + ":" + c.Subject
}

type callerKey struct{}

// WithCaller returns a context in which c calls.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom is who calls in ctx.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
