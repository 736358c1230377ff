package activity

import (
	"slices"
	"strings"
	"time"
)

// Roles of callers, as in package auth.
const (
	roleCustomer  = "customer"
	roleWarehouse = "warehouse"
	roleStaff     = "staff"
)

// Caller identifies the caller of a request. The zero Caller is anonymous.
type Caller struct {
	Subject string   // the customer's name, where Roles has customer
	Roles   []string // no role implies another
	// Address is the limiter's key for an anonymous caller; empty: only the limit of the
	// instance applies.
	Address   string
	ExpiresAt time.Time // when the credentials expire; zero: never
}

func (c Caller) hasRole(role string) bool { return c.Subject != "" && slices.Contains(c.Roles, role) }

// privileged reports whether the caller sees activity of other customers and of none.
func (c Caller) privileged() bool { return c.hasRole(roleStaff) || c.hasRole(roleWarehouse) }

// customer returns the customer whose activity the caller sees; empty: none.
func (c Caller) customer() string {
	if !c.hasRole(roleCustomer) {
		return ""
	}
	return c.Subject
}

// maySee reports whether the caller may see an activity. Streams that are not named
// here, new ones included, are for the role staff alone.
func (c Caller) maySee(n *Activity) bool {
	switch {
	case n.Stream == "catalog", c.hasRole(roleStaff):
		return true
	case c.hasRole(roleWarehouse) && (n.Stream == "sales" || n.Stream == "inventory"):
		return true
	case n.isOrder() || n.isWish():
		return n.Customer != "" && n.Customer == c.customer()
	default:
		return false
	}
}

// filter selects the activities that a stream sends.
type filter struct {
	caller  Caller
	types   []string // none: all
	subject string   // empty: all
}

// matches reports whether the stream sends t: it is newer than the recording,
// selected, and visible to the caller.
func (f *filter) matches(t *rendered) bool {
	return !t.beforeOrigin && (f.subject == "" || f.subject == t.Subject) &&
		(len(f.types) == 0 || slices.Contains(f.types, t.Type)) && f.caller.maySee(&t.Activity)
}

// splitList splits "a,b" at the commas and drops empty parts.
func splitList(list string) (parts []string) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
