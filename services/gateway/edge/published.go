package edge

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"gopkg.in/yaml.v3"

	"quadrille/internal/platform/app"
)

// publicPath is a path of the public document below prefix, with its operations.
type publicPath struct {
	path    string
	roles   map[string][]app.Role // x-roles by method; none: everybody
	methods []string              // those of roles, HEAD where GET is one, and OPTIONS; sorted
}

// publicPaths has the paths of the public document, the more specific before the less. The
// gateway forwards nothing else to the services.
type publicPaths []publicPath

// readPublicPaths reads the paths below prefix of an OpenAPI document.
func readPublicPaths(document []byte) (publicPaths, error) {
	var parsed struct {
		Paths map[string]map[string]yaml.Node `yaml:"paths"`
	}
	if err := yaml.Unmarshal(document, &parsed); err != nil {
		return nil, fmt.Errorf("read the public document: %w", err)
	}
	var all publicPaths
	for path, item := range parsed.Paths {
		if below, is := strings.CutPrefix(path, prefix); is {
			p, err := newPublicPath(below, item)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b publicPath) int {
		return cmp.Or(moreSpecific(app.Segments(a.path), app.Segments(b.path)), strings.Compare(a.path, b.path))
	})
	return all, nil
}

// newPublicPath reads a path item of the document.
func newPublicPath(path string, item map[string]yaml.Node) (publicPath, error) {
	p := publicPath{path: path, roles: map[string][]app.Role{}, methods: []string{http.MethodOptions}}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch} {
		node, has := item[strings.ToLower(method)]
		if !has {
			continue
		}
		var op struct {
			Roles []app.Role `yaml:"x-roles"`
		}
		if err := node.Decode(&op); err != nil {
			return p, fmt.Errorf("read %s %s of the public document: %w", method, prefix+path, err)
		}
		p.roles[method], p.methods = op.Roles, append(p.methods, method)
		if method == http.MethodGet {
			p.methods = append(p.methods, http.MethodHead)
		}
	}
	slices.Sort(p.methods)
	return p, nil
}

// find returns the path that the segments match; nil if none does. A parameter does not
// match an empty segment.
func (all publicPaths) find(segments []string) *publicPath {
	if slices.Contains(segments, "") {
		return nil
	}
	for n := range all {
		if strings.Count(all[n].path, "/") == len(segments) && covers(all[n].path, segments) {
			return &all[n]
		}
	}
	return nil
}

// requireMethod calls next if the path has the request's method. It responds to OPTIONS
// itself, and refuses any other method with 405 and Allow.
func (p publicPath) requireMethod(c echo.Context, next echo.HandlerFunc) error {
	method := c.Request().Method
	if method == http.MethodOptions || !slices.Contains(p.methods, method) {
		return refuseExcept(p.methods)(c)
	}
	return next(c)
}

// check returns an error for each contradiction between the public document and the routes:
// a route without an operation, an operation without a route, and different roles.
func (all publicPaths) check(routes routeTable) error {
	var errs []error
	for _, r := range routes {
		below := func(p publicPath) bool { return covers(r.path, app.Segments(p.path)) }
		if !r.isOps() && !slices.ContainsFunc(all, below) {
			errs = append(errs, fmt.Errorf("%s makes the path %s public in its wire.go, and the public document has no operation at or below it: "+
				"publish one in services/gateway/overlay.yaml, run go generate ./services/gateway and build again, or remove the path", r.service, r.path))
		}
	}
	for _, p := range all {
		if !slices.Contains(app.GatewayPaths(), app.Segments(p.path)[0]) {
			errs = append(errs, p.check(routes.match(app.Segments(p.path))))
		}
	}
	return errors.Join(errs...)
}

// check returns an error if the path has no route, or one with other roles.
func (p publicPath) check(r *route) error {
	if r == nil {
		return fmt.Errorf("the public document has %s, and no service in services/registry.go makes that path public: "+
			"add it to Public in the wire.go of its service, or remove it from services/gateway/overlay.yaml and run go generate ./services/gateway", prefix+p.path)
	}
	var errs []error
	for method, roles := range p.roles {
		if allowed := (resource{method: method}).rolesOf(*r); !sameRoles(roles, allowed) {
			errs = append(errs, fmt.Errorf("%s %s is for %s by x-roles in the public document, and for %s by Public in the wire.go of %s: "+
				"correct one of them (x-roles in services/gateway/overlay.yaml, then go generate ./services/gateway)", method, prefix+p.path, listed(roles), listed(allowed), r.service))
		}
	}
	return errors.Join(errs...)
}

// sameRoles reports whether two lists have the same roles, in any order.
func sameRoles(a, b []app.Role) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// listed names roles for a message.
func listed(roles []app.Role) string {
	if len(roles) == 0 {
		return "everybody"
	}
	names := make([]string, len(roles))
	for n, role := range roles {
		names[n] = string(role)
	}
	return strings.Join(names, ", ")
}
