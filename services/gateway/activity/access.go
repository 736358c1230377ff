package activity

import (
	"slices"
	"strings"
	"time"
)

// The roles that see more than what is their own.
const (
	roleCustomer  = "customer"
	roleWarehouse = "warehouse"
	roleStaff     = "staff"
)

// Caller is who asks. The zero Caller is anonymous.
type Caller struct {
	Subject string   // the customer's name, where Roles has customer
	Roles   []string // no role implies another
	// Address is where an anonymous caller's streams are counted under; empty: they
	// are only counted among all.
	Address   string
	ExpiresAt time.Time // the caller is not let in any more from then on; zero: for ever
}

func (c Caller) hasRole(role string) bool { return c.Subject != "" && slices.Contains(c.Roles, role) }

// privileged: the caller sees what belongs to others or to nobody.
func (c Caller) privileged() bool { return c.hasRole(roleStaff) || c.hasRole(roleWarehouse) }

// customer is the name whose own things the caller sees; empty: nobody's.
func (c Caller) customer() string {
	if !c.hasRole(roleCustomer) {
		return ""
	}
	return c.Subject
}

// maySee reports whether the caller may know of the note. What is not allowed here
// by name is for the staff alone, a new stream too.
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

// filter is what of a caller's notes a stream shows.
type filter struct {
	caller  Caller
	types   []string // none: all
	subject string   // empty: all
}

func (f *filter) matches(t *rendered) bool {
	return !t.beforeOrigin && (f.subject == "" || f.subject == t.Subject) &&
		(len(f.types) == 0 || slices.Contains(f.types, t.Type)) && f.caller.maySee(&t.Activity)
}

// splitList takes "a,b" apart.
func splitList(list string) (parts []string) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
