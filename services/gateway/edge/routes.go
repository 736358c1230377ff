package edge

import (
	"regexp"
	"strings"

	"quadrille/internal/app"
)

// prefix is where the public API begins.
const prefix = "/api/v1"

// route says which service answers for what is at a path and below it.
type route struct {
	path    string // behind prefix
	service string
	inner   string // what path is there
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

// opsRoutes is what every service answers for alike, as far as the public API shows
// it: how far it is, and what it could not handle.
func opsRoutes() (all []route) {
	for _, service := range serviceNames() {
		below := "/ops/services/" + service
		for _, path := range []string{"/subscriptions", "/dead-letters"} {
			all = append(all, route{below + path, service, path})
		}
	}
	return all
}

// serviceNames is all services by name, this one too.
func serviceNames() []string { return append([]string{app.Gateway}, app.Names()...) }

// toService is the service's own path for a public one.
func (r route) toService(path string) string {
	return r.inner + strings.TrimPrefix(path, prefix+r.path)
}

// toPublic is the public path for one of the service's own; what is none stays.
func (r route) toPublic(path string) string {
	rest, below := strings.CutPrefix(path, r.inner)
	if !below || rest != "" && !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "?") {
		return path
	}
	return prefix + r.path + rest
}

// linkTarget is where a link leads, in a Link header (RFC 8288, section 3).
var linkTarget = regexp.MustCompile(`<[^>]*>`)

// publicLinks is a Link header whose targets are public.
func (r route) publicLinks(header string) string {
	return linkTarget.ReplaceAllStringFunc(header, func(t string) string { return "<" + r.toPublic(t[1:len(t)-1]) + ">" })
}
