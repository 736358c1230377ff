package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/identity"
)

// asked is what a request is about: the segments of its path behind the prefix,
// decoded one by one, as the services see them.
type asked struct {
	method   string
	segments []string
}

func askedBy(r *http.Request) (asked, error) {
	path := strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), prefix), "/")
	a := asked{method: r.Method}
	if dotted(r.URL.Path) {
		return a, nothingHere()
	}
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return a, nothingHere()
		}
		a.segments = append(a.segments, decoded)
	}
	return a, nil
}

// dotted: a segment of the path would lead elsewhere, past what is checked here.
func dotted(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func nothingHere() error {
	return fault.New(fault.NotFound, "path_unknown", "there is nothing at this path; %s/docs shows what there is", prefix)
}

// reads: it changes nothing.
func (a asked) reads() bool {
	return a.method == http.MethodGet || a.method == http.MethodHead || a.method == http.MethodOptions
}

// at is a segment, or nothing where there is none.
func (a asked) at(n int) string {
	if n < len(a.segments) {
		return a.segments[n]
	}
	return ""
}

// may is who may ask this. Empty means everybody.
func (a asked) may() []identity.Role {
	switch a.at(0) {
	case "products":
		if a.reads() {
			return nil
		}
		return []identity.Role{identity.Staff}
	case "skus", "receipts", "adjustments", "imports":
		return []identity.Role{identity.Warehouse}
	case "orders":
		return a.mayOrders()
	case "wishlist", "customers":
		return []identity.Role{identity.Customer}
	default:
		return []identity.Role{identity.Staff}
	}
}

func (a asked) mayOrders() []identity.Role {
	switch {
	case a.at(2) == "ship":
		return []identity.Role{identity.Warehouse}
	case a.reads():
		return []identity.Role{identity.Customer, identity.Warehouse, identity.Staff}
	default:
		return []identity.Role{identity.Customer, identity.Staff}
	}
}

// policy lets pass what the caller may ask.
func policy(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a, err := askedBy(c.Request())
		if err != nil {
			return err
		}
		if roles := a.may(); len(roles) > 0 {
			if err := demand(c, roles...); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// ownOnly reports whether a caller sees nothing but what is its own.
func ownOnly(caller identity.Caller, all ...identity.Role) bool {
	return !slices.ContainsFunc(all, func(r identity.Role) bool { return caller.Is(r) })
}
