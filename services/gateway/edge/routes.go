package edge

import (
	"regexp"
	"strings"

	"quadrille/internal/platform/app"
)

// prefix is the base path of the public API.
const prefix = "/api/v1"

// route assigns a path, and everything below it, to a service.
type route struct {
	path    string // below prefix
	service string
	inner   string // the path in the service
}

func routes() []route {
	return []route{
		{"/products", "catalog", "/products"},
		{"/skus", "inventory", "/skus"},
		{"/receipts", "inventory", "/receipts"},
		{"/adjustments", "inventory", "/adjustments"},
		{"/imports", "inventory", "/imports"},
		{"/orders", "sales", "/orders"},
		{"/customers", "wishlist", "/customers"},
		{"/stats/sales", "stats", "/sales"},
		{"/stats", "stats", "/sales"},
	}
}

// opsRoutes returns the endpoints that every service has, as far as they are public:
// subscriptions and dead letters.
func opsRoutes() (all []route) {
	for _, service := range serviceNames() {
		below := "/ops/services/" + service
		for _, path := range []string{"/subscriptions", "/dead-letters"} {
			all = append(all, route{below + path, service, path})
		}
	}
	return all
}

// serviceNames returns the names of all services, the gateway first.
func serviceNames() []string { return append([]string{app.Gateway}, app.Names()...) }

// toService converts a public path to the service's.
func (r route) toService(path string) string {
	return r.inner + strings.TrimPrefix(path, prefix+r.path)
}

// toPublic converts a path of the service to the public one. A path outside the route
// stays.
func (r route) toPublic(path string) string {
	rest, below := strings.CutPrefix(path, r.inner)
	if !below || rest != "" && !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "?") {
		return path
	}
	return prefix + r.path + rest
}

// linkTarget matches the targets in a Link header (RFC 8288, section 3).
var linkTarget = regexp.MustCompile(`<[^>]*>`)

// publicLinks converts the targets of a Link header to public ones.
func (r route) publicLinks(header string) string {
	return linkTarget.ReplaceAllStringFunc(header, func(t string) string { return "<" + r.toPublic(t[1:len(t)-1]) + ">" })
}
