package gateway

import (
	"regexp"
	"strings"
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

// inward is the service's own path for a public one.
func (r route) inward(path string) string {
	return r.inner + strings.TrimPrefix(path, prefix+r.path)
}

// outward is the public path for one of the service's own; what is none stays.
func (r route) outward(path string) string {
	rest, below := strings.CutPrefix(path, r.inner)
	if !below || rest != "" && !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "?") {
		return path
	}
	return prefix + r.path + rest
}

// target is where a link leads, in a Link header (RFC 8288, section 3).
var target = regexp.MustCompile(`<[^>]*>`)

// outwardLinks is a Link header whose targets are public.
func (r route) outwardLinks(header string) string {
	return target.ReplaceAllStringFunc(header, func(t string) string { return "<" + r.outward(t[1:len(t)-1]) + ">" })
}
