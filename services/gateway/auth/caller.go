package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"quadrille/pkg/fault"
)

// Role permits a caller to make certain requests. No role implies another.
type Role string

// The roles.
const (
	Customer  Role = "customer"  // orders and wishes; every person is one
	Warehouse Role = "warehouse" // receives, adjusts and ships
	Staff     Role = "staff"     // sees everything and mends it
)

// AllRoles returns every role.
func AllRoles() []Role { return []Role{Customer, Warehouse, Staff} }

// ParseRoles parses the names of roles and drops duplicates. It returns a fault
// (Invalid) that names an unknown role.
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
	// Subject is who it is: the customer's name of a person, and of a key that acts
	// for one; otherwise the key's ID.
	Subject string
	Roles   []Role
	// ExpiresAt is the end that the token or key has; zero: never. GoodUntil is when it
	// is refused from.
	ExpiresAt time.Time
}

// GoodUntil returns when the credentials are refused, unless they are revoked before;
// zero: never. A token is accepted a little longer than it says, because the issuer's
// clock may differ.
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

// ID returns a text that differs between callers, also between those of different
// kinds with the same subject.
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

// CallerFrom returns the caller that ctx carries, else the anonymous one.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
