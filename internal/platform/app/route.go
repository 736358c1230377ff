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

// Roles of the public API.
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
	// parameters such as {id}, each of which matches one segment. A parameter {customer}
	// restricts callers whose only role is customer to their own name; any other name gives
	// 404.
	Path string
	// Inner is the path in the service; empty: Path. A route with Inner cannot have parameters.
	Inner string
	// Own is a second public path of a Path with {customer}, such as /wishlist, at which
	// {customer} is the caller; empty: none.
	Own string
	// Read lists the roles allowed to make requests that only read (GET, HEAD, OPTIONS), Write
	// those allowed to make other requests. Empty: staff.
	Read, Write []Role
}

// pathSegment matches a segment of a Route's path.
var pathSegment = regexp.MustCompile(`^(\{[a-z_]+\}|[a-z0-9][a-z0-9._-]*)$`)

// IsParameter reports whether a segment of a Route's path is a parameter.
func IsParameter(segment string) bool { return strings.HasPrefix(segment, "{") }

// Segments splits a Route's path.
func Segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// check returns an error if the route is invalid by itself.
func (r Route) check() error {
	for _, path := range []string{r.Path, r.Inner, r.Own} {
		if path == "" && r.Path != "" {
			continue // Inner and Own are optional
		}
		if bad := slices.IndexFunc(Segments(path), func(s string) bool { return !pathSegment.MatchString(s) }); bad >= 0 || !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q is not a path such as /products or /customers/{customer}/points", path)
		}
	}
	switch {
	case r.Inner != "" && r.Inner != r.Path && strings.Contains(r.Path+r.Inner, "{"):
		return fmt.Errorf("%s has another path in the service, %s, and parameters: remove one of the two", r.Path, r.Inner)
	case r.Own != "" && !slices.Contains(Segments(r.Path), "{customer}"):
		return fmt.Errorf("%s has a path %s of the caller's own but no segment {customer}", r.Path, r.Own)
	case strings.Contains(r.Own, "{"):
		return fmt.Errorf("%s is a path of the caller's own and cannot have parameters", r.Own)
	}
	for _, role := range append(slices.Clone(r.Read), r.Write...) {
		if !slices.Contains([]Role{Customer, Warehouse, Staff, Everybody}, role) {
			return fmt.Errorf("%s is for the role %q; the roles are customer, warehouse, staff and everybody", r.Path, role)
		}
	}
	return nil
}

// gatewayPaths returns the first segments of the gateway's own paths in the public API.
func gatewayPaths() []string { return []string{"me", "events", "ops", "openapi.yaml", "docs"} }

// parameter matches a parameter of a Route's path.
var parameter = regexp.MustCompile(`\{[^}]*\}`)

// checkRoutes returns an error for each public path that is malformed, belongs to the gateway
// itself, or is claimed twice.
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
