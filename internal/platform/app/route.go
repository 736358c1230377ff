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

// Route leads from the gateway to the operations of a service that the public document has
// at a path or below it. Where several routes match a request, the most specific one decides.
type Route struct {
	// Path is the path in the public API below /api/v1: segments such as products, and
	// parameters such as {id}, each of which matches one segment. The first segment cannot be
	// a parameter. A parameter {customer} restricts callers whose only role is customer to
	// their own name; any other name gives 404.
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
	if err := r.checkPaths(); err != nil {
		return err
	}
	if err := r.checkParameters(); err != nil {
		return err
	}
	return errors.Join(r.checkRoles(r.Read), r.checkRoles(r.Write))
}

// checkPaths returns an error for a malformed path.
func (r Route) checkPaths() error {
	for _, path := range []string{r.Path, r.Inner, r.Own} {
		if path == "" && r.Path != "" {
			continue // Inner and Own are optional
		}
		if bad := slices.IndexFunc(Segments(path), func(s string) bool { return !pathSegment.MatchString(s) }); bad >= 0 || !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q is not a path such as /products or /customers/{customer}/points", path)
		}
		if Segments(path)[0] == "api" {
			return fmt.Errorf("%q begins with /api, which Path leaves out: write it as it is below /api/v1, such as /products", path)
		}
	}
	return nil
}

// checkParameters returns an error for parameters that are ambiguous or in a place that does
// not allow any.
func (r Route) checkParameters() error {
	segments := Segments(r.Path)
	if IsParameter(segments[0]) {
		return fmt.Errorf("the first segment of %s is a parameter, so that it matches paths of the gateway and of other services: begin the path with a word", r.Path)
	}
	for n, s := range segments {
		if IsParameter(s) && slices.Contains(segments[:n], s) {
			return fmt.Errorf("%s has the parameter %s twice: give each parameter its own name", r.Path, s)
		}
		if n > 0 && segments[n-1] == "customers" && IsParameter(s) && s != "{customer}" && slices.Contains(append(slices.Clone(r.Read), r.Write...), Customer) {
			return fmt.Errorf("%s is for customers, and its parameter after customers is %s: name it {customer}, so that customers reach only their own", r.Path, s)
		}
	}
	switch {
	case r.Inner != "" && r.Inner != r.Path && strings.Contains(r.Path+r.Inner, "{"):
		return fmt.Errorf("%s has another path in the service, %s, and parameters: remove one of the two", r.Path, r.Inner)
	case r.Own != "" && !slices.Contains(segments, "{customer}"):
		return fmt.Errorf("%s has a path %s of the caller's own but no segment {customer}", r.Path, r.Own)
	case strings.Contains(r.Own, "{"):
		return fmt.Errorf("%s is a path of the caller's own and cannot have parameters", r.Own)
	}
	return nil
}

// checkRoles returns an error for a list with an unknown role or with roles that contradict
// each other or the path.
func (r Route) checkRoles(roles []Role) error {
	for n, role := range roles {
		switch {
		case !slices.Contains([]Role{Customer, Warehouse, Staff, Everybody}, role):
			return fmt.Errorf("%s is for the role %q; the roles are customer, warehouse, staff and everybody", r.Path, role)
		case slices.Contains(roles[:n], role):
			return fmt.Errorf("%s is for %s twice: remove one", r.Path, role)
		}
	}
	switch {
	case !slices.Contains(roles, Everybody):
		return nil
	case len(roles) > 1:
		other := roles[slices.IndexFunc(roles, func(role Role) bool { return role != Everybody })]
		return fmt.Errorf("%s is for everybody and for %s: everybody includes all roles, remove the others", r.Path, other)
	case slices.Contains(Segments(r.Path), "{customer}"):
		return fmt.Errorf("%s is for everybody, and {customer} restricts callers to their own name: remove everybody or rename the parameter", r.Path)
	default:
		return nil
	}
}

// GatewayPaths returns the first segments of the gateway's own paths in the public API. No
// Route may begin with one.
func GatewayPaths() []string { return []string{"me", "events", "ops", "openapi.yaml", "docs"} }

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
				case slices.Contains(GatewayPaths(), Segments(path)[0]):
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
