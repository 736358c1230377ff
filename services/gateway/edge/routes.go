package edge

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"quadrille/internal/platform/app"
)

// prefix is the base path of the public API.
const prefix = "/api/v1"

// route assigns a path, and the public operations at and below it, to a service.
type route struct {
	path    string // below prefix; segments in braces are parameters
	service string
	inner   string // the path in the service
	named   string // of a path at which the caller is the customer: the path with {customer}; otherwise empty

	read, write []app.Role // none: staff
}

// routeTable has the routes of all services, the more specific before the less.
type routeTable []route

// newRouteTable returns the routes to the public paths of the services, and to the operations
// endpoints of every service.
func newRouteTable(services []app.Service) (table routeTable) {
	names := []string{app.Gateway}
	for _, s := range services {
		names = append(names, s.Name)
		for _, r := range s.Public {
			table = append(table, route{path: r.Path, service: s.Name, inner: cmp.Or(r.Inner, r.Path), read: r.Read, write: r.Write})
			if r.Own != "" {
				table = append(table, route{path: r.Own, service: s.Name, named: r.Path, read: r.Read, write: r.Write})
			}
		}
	}
	for _, service := range names {
		for _, path := range []string{"/subscriptions", "/dead-letters", "/tasks"} {
			table = append(table, route{path: "/ops/services/" + service + path, service: service, inner: path})
		}
	}
	slices.SortStableFunc(table, func(a, b route) int { return moreSpecific(app.Segments(a.path), app.Segments(b.path)) })
	return table
}

// moreSpecific orders paths that match the same request. It is negative if a comes before b:
// at the first segment that differs, a literal comes before a parameter, and a longer path
// comes before its prefix.
func moreSpecific(a, b []string) int {
	for n := range min(len(a), len(b)) {
		switch pa, pb := app.IsParameter(a[n]), app.IsParameter(b[n]); {
		case pa && !pb:
			return 1
		case pb && !pa:
			return -1
		}
	}
	return cmp.Compare(len(b), len(a))
}

// match returns the route of a path in the public API, given by its segments below
// prefix; nil if no service has it.
func (t routeTable) match(segments []string) *route {
	for n := range t {
		if covers(t[n].path, segments) {
			return &t[n]
		}
	}
	return nil
}

// isOps reports whether the route leads to the operations endpoints of a service.
func (r route) isOps() bool { return strings.HasPrefix(r.path, "/ops/") }

// target returns the route that forwards the requests of r: r itself, or for a path at which
// the caller is the customer the route of the path with {customer}.
func (r route) target() route {
	if r.named == "" {
		return r
	}
	return route{path: r.named, service: r.service, inner: r.named, read: r.read, write: r.write}
}

// covers reports whether the segments are at the path or below it. It splits the path
// without allocating, because it runs for every route of every request.
func covers(path string, segments []string) bool {
	n := 0
	for want := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if n == len(segments) || !app.IsParameter(want) && want != segments[n] {
			return false
		}
		n++
	}
	return true
}

// echoPath returns a path as echo writes parameters.
func echoPath(path string) string {
	return regexp.MustCompile(`\{([^}]*)\}`).ReplaceAllString(path, ":$1")
}

// toService converts a public path to the service's.
func (r route) toService(path string) string {
	if r.inner == r.path {
		return strings.TrimPrefix(path, prefix)
	}
	return r.inner + strings.TrimPrefix(path, prefix+r.path)
}

// toPublic converts a path of the service to the public one. A path outside the route
// stays.
func (r route) toPublic(path string) string {
	if !strings.HasPrefix(path, "/") || !covers(r.inner, app.Segments(pathOf(path))) {
		return path
	}
	if r.inner == r.path {
		return prefix + path
	}
	return prefix + r.path + strings.TrimPrefix(path, r.inner)
}

// pathOf returns a reference without query and fragment.
func pathOf(reference string) string {
	if end := strings.IndexAny(reference, "?#"); end >= 0 {
		return reference[:end]
	}
	return reference
}

// toPublic converts a path of the service of r to the public one: by r where that has it,
// else by another route of the service. A path that is not public stays.
func (t routeTable) toPublic(r route, path string) string {
	if public := r.toPublic(path); public != path {
		return public
	}
	for _, other := range t {
		if other.service == r.service && other.named == "" {
			if public := other.toPublic(path); public != path {
				return public
			}
		}
	}
	return path
}

// linkTarget matches the targets in a Link header (RFC 8288, section 3).
var linkTarget = regexp.MustCompile(`<[^>]*>`)

// publicLinks converts the targets of a Link header to public ones.
func (t routeTable) publicLinks(r route, header string) string {
	return linkTarget.ReplaceAllStringFunc(header, func(target string) string { return "<" + t.toPublic(r, target[1:len(target)-1]) + ">" })
}

// customerOf returns the segment {customer} of the request's path, and whether the route
// has one.
func (r route) customerOf(segments []string) (customer string, has bool) {
	n := slices.Index(app.Segments(r.path), "{customer}")
	if n < 0 || n >= len(segments) {
		return "", n >= 0
	}
	return segments[n], true
}

// ownTarget converts an escaped path below r to that of the customer with this name.
func (r route) ownTarget(escaped, customer string) string {
	rest := strings.TrimPrefix(escaped, prefix+r.path)
	return prefix + strings.Replace(r.named, "{customer}", url.PathEscape(customer), 1) + rest
}
