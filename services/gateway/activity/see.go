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
	Address string
	Until   time.Time // the caller is not let in any more from then on; zero: for ever
}

func (c Caller) is(role string) bool { return c.Subject != "" && slices.Contains(c.Roles, role) }

// wide: the caller sees what belongs to others or to nobody.
func (c Caller) wide() bool { return c.is(roleStaff) || c.is(roleWarehouse) }

// customer is the name whose own things the caller sees; empty: nobody's.
func (c Caller) customer() string {
	if !c.is(roleCustomer) {
		return ""
	}
	return c.Subject
}

// sees reports whether the caller may know of the note. What is not allowed here
// by name is for the staff alone, a new stream too.
func (c Caller) sees(n *Note) bool {
	switch {
	case n.Stream == "catalog", c.is(roleStaff):
		return true
	case c.is(roleWarehouse) && (n.Stream == "sales" || n.Stream == "inventory"):
		return true
	case n.ofOrder() || n.ofWish():
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

func (f *filter) shows(t *told) bool {
	return !t.past && (f.subject == "" || f.subject == t.Subject) &&
		(len(f.types) == 0 || slices.Contains(f.types, t.Type)) && f.caller.sees(&t.Note)
}

// split takes "a,b" apart.
func split(list string) (parts []string) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
