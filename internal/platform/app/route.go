package app

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Role permits a caller of the public API to make certain requests. No role implies
// another.
type Role string

// The roles.
const (
	Customer  Role = "customer"  // orders and keeps a wishlist; every person has it
	Warehouse Role = "warehouse" // receives and adjusts stock, ships orders
	Staff     Role = "staff"     // reads everything and operates the shop
	Everybody Role = "everybody" // in Routes alone: also callers without a token
)

// Route makes a path of a service public, and everything below it, in every method. Where
// several routes match a request, the most specific one decides.
type Route struct {
	// Path is the path in the public API below /api/v1: segments such as products, and
	// parameters such as {id}, each of which stands for one segment. Where a parameter is
	// named {customer}, a caller who has none of the roles but customer sees the caller's
	// own name there alone; every other is answered with 404.
	Path string
	// Inner is the path in the service; empty: Path. It cannot have parameters.
	Inner string
	// Own is a second public path of a Path with {customer}, at which the customer is the
	// caller, such as /wishlist; empty: none.
	Own string
	// Read and Write are the roles that may make requests that only read (GET, HEAD,
	// OPTIONS), and others. None: staff.
	Read, Write []Role
}

// pathSegment is a segment of a Route's path.
var pathSegment = regexp.MustCompile(`^(\{[a-z_]+\}|[a-z0-9][a-z0-9._-]*)$`)

// IsParameter reports whether a segment of a Route's path is a parameter.
func IsParameter(segment string) bool { return strings.HasPrefix(segment, "{") }

// Segments splits a Route's path.
func Segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// check returns what is wrong with the route by itself.
func (r Route) check() error {
	for _, path := range []string{r.Path, r.Inner, r.Own} {
		if path == "" && r.Path != "" {
			continue // it may be left out
		}
		if bad := slices.IndexFunc(Segments(path), func(s string) bool { return !pathSegment.MatchString(s) }); bad >= 0 || !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q is not a path such as /products or /customers/{customer}/points", path)
		}
	}
	switch {
	case r.Inner != "" && r.Inner != r.Path && strings.Contains(r.Path+r.Inner, "{"):
		return fmt.Errorf("%s has another path in the service, %s, and parameters: it can have one of both", r.Path, r.Inner)
	case r.Own != "" && !slices.Contains(Segments(r.Path), "{customer}"):
		return fmt.Errorf("%s has a path %s of the caller's own and no segment {customer}", r.Path, r.Own)
	case strings.Contains(r.Own, "{"):
		return fmt.Errorf("%s is a path of the caller's own and cannot have parameters", r.Own)
	}
	for _, role := range append(slices.Clone(r.Read), r.Write...) {
		if !slices.Contains([]Role{Customer, Warehouse, Staff, Everybody}, role) {
			return fmt.Errorf("%s is for the role %q; there are customer, warehouse, staff and everybody", r.Path, role)
		}
	}
	return nil
}

// gatewayPaths returns the first segments of the public API that are the gateway's own.
func gatewayPaths() []string { return []string{"me", "events", "ops", "openapi.yaml", "docs"} }

// parameter is a parameter of a Route's path, whatever its name.
var parameter = regexp.MustCompile(`\{[^}]*\}`)

// checkRoutes returns an error for each public path that is malformed, that the gateway
// has itself, or that two services claim.
func checkRoutes(services []Service) error {
	var errs []error
	claimed := map[string]string{}
	for _, s := range services {
		for _, r := range s.Public {
			if err := r.check(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
				continue
			}
			for _, path := range []string{r.Path, r.Own} {
				key := parameter.ReplaceAllString(path, "{}")
				switch other := claimed[key]; {
				case path == "":
				case slices.Contains(gatewayPaths(), Segments(path)[0]):
					errs = append(errs, fmt.Errorf("%s claims the public path %s, which is the gateway's own", s.Name, path))
				case other == s.Name:
					errs = append(errs, fmt.Errorf("%s claims the public path %s twice", s.Name, path))
				case other != "":
					errs = append(errs, fmt.Errorf("%s and %s both claim the public path %s: give one of them another Path in its wire.go", other, s.Name, path))
				default:
					claimed[key] = s.Name
				}
			}
		}
	}
	return errors.Join(errs...)
}
