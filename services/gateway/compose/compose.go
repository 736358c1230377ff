package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// prefix is the base path of the public API.
const prefix = "/api/v1"

// methods are the keys of a path item that are operations.
var methods = []string{"get", "put", "post", "delete", "patch", "head", "options", "trace"}

// composer collects the public document.
type composer struct {
	overlay    *yaml.Node
	documents  map[string]*yaml.Node
	components *yaml.Node
	names      map[string]string // public references of adopted components, by document and reference
	decided    map[string]bool   // operations that the overlay mentions, by operationOf
	dangling   []error           // references in the services' documents that lead nowhere
}

// compose returns the public document, and a message for each operation that the
// overlay does not mention. It joins all errors of the overlay.
func compose(overlay *yaml.Node, documents map[string]*yaml.Node) (public *yaml.Node, undecided []string, err error) {
	c := &composer{overlay: overlay, documents: documents, components: mapping(), names: map[string]string{}, decided: map[string]bool{}}
	if err := c.checkOverlay(); err != nil {
		return nil, nil, err
	}
	var problems []error
	paths := mapping()
	for path, item := range entries(get(overlay, "paths")) {
		composed, err := c.pathItem(path, item)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		set(paths, path, composed)
	}
	merge(c.components, get(overlay, "components"))
	for path, item := range entries(paths) {
		for method, op := range entries(item) {
			if slices.Contains(methods, method) {
				problems = append(problems, c.finish(path, method, item, op))
			}
		}
	}
	problems = append(problems, c.hide(), checkPublic(paths, c.resolve), c.checkReferences(paths), c.checkReferences(c.components))
	if err := errors.Join(append(problems, c.dangling...)...); err != nil {
		return nil, nil, err
	}
	for _, kind := range entries(c.components) {
		sortKeys(kind, strings.Compare)
	}
	c.listCodes()
	c.listServices()
	public = mapping()
	for key, value := range entries(overlay) {
		switch key {
		case "x-hidden", "x-rename":
		case "tags":
			set(public, key, c.tags(value, paths))
		case "paths":
			set(public, key, paths)
		case "components":
			set(public, key, c.components)
		default:
			set(public, key, clone(value))
		}
	}
	return public, c.undecided(), nil
}

// pathItem returns a public path with its operations. Those of a service come from its
// document: x-from names the document and, where it differs from the public one, the
// path.
func (c *composer) pathItem(path string, item *yaml.Node) (*yaml.Node, error) {
	out := clone(item)
	from := remove(out, "x-from")
	if from == nil {
		return out, nil
	}
	service, inner, _ := strings.Cut(from.Value, " ")
	inner = cmp.Or(inner, strings.TrimPrefix(path, prefix))
	source := get(c.documents[service], "paths", inner)
	if source == nil {
		return nil, fmt.Errorf("overlay.yaml: %s comes from %s, whose document has no path %s: correct x-from", path, service, inner)
	}
	source = clone(source)
	c.adopt(service, source)
	parameters := c.joinParameters(path, get(item, "parameters"), get(source, "parameters"))
	remove(out, "parameters")
	for method, patch := range entries(out) {
		if !slices.Contains(methods, method) {
			continue
		}
		op := get(source, method)
		if op == nil {
			return nil, fmt.Errorf("overlay.yaml: %s %s is published, and the document of %s has no such operation: remove it", strings.ToUpper(method), path, service)
		}
		c.decided[operationOf(service, method, inner)] = true
		if own := get(op, "parameters"); own != nil {
			set(op, "parameters", c.joinParameters(path, nil, own))
		}
		merge(op, patch)
		set(out, method, op)
	}
	if len(parameters.Content) > 0 {
		set(out, "parameters", parameters)
		sortKeys(out, func(a, b string) int { return before(a, b, append([]string{"parameters"}, methods...)) })
	}
	return out, nil
}

// joinParameters joins two lists of parameters, without those of a path that the public
// one does not have and without Idempotency-Key, which the gateway adds.
func (c *composer) joinParameters(path string, lists ...*yaml.Node) *yaml.Node {
	out := sequence()
	for _, list := range lists {
		if list == nil {
			continue
		}
		for _, p := range list.Content {
			full := c.resolve(p)
			absent := text(full, "in") == "path" && !strings.Contains(path, "{"+text(full, "name")+"}")
			if !absent && text(full, "name") != "Idempotency-Key" {
				out.Content = append(out.Content, clone(p))
			}
		}
	}
	return out
}

// adopt copies the components that a part of a service's document refers to into the
// public document, and makes the references lead there. Error responses are dropped:
// the gateway's replace them.
func (c *composer) adopt(service string, n *yaml.Node) {
	if responses := get(n, "responses"); responses != nil && get(n, "operationId") != nil {
		remove(responses, "default")
	}
	if ref := get(n, "$ref"); ref != nil {
		ref.Value = c.component(service, ref.Value)
		return
	}
	for _, child := range n.Content {
		c.adopt(service, child)
	}
}

// component adopts a component and returns the public reference to it. Where another
// service has a different component of this name, the name begins with the service's.
func (c *composer) component(service, ref string) string {
	if public := c.names[service+ref]; public != "" {
		return public
	}
	kind, name := splitRef(ref)
	public := cmp.Or(text(c.overlay, "x-rename", service, name), name)
	c.names[service+ref] = "#/components/" + kind + "/" + public // ends recursion
	found := get(c.documents[service], "components", kind, name)
	if found == nil {
		c.dangling = append(c.dangling, fmt.Errorf("services/%s/openapi.yaml: %s refers to nothing: add it below components, or correct the reference", service, ref))
		found = mapping()
	}
	value := clone(found)
	c.adopt(service, value)
	of := get(c.components, kind)
	if of == nil {
		of = mapping()
		set(c.components, kind, of)
	}
	if other := get(of, public); other != nil && !equal(other, value) {
		public = strings.ToUpper(service[:1]) + service[1:] + public
	}
	set(of, public, value)
	c.names[service+ref] = "#/components/" + kind + "/" + public
	return c.names[service+ref]
}

// resolve follows the $ref of a node in the public document. It returns a node without one
// unchanged.
func (c *composer) resolve(n *yaml.Node) *yaml.Node {
	ref := text(n, "$ref")
	if ref == "" {
		return n
	}
	kind, name := splitRef(ref)
	if found := get(c.components, kind, name); found != nil {
		return found
	}
	return get(c.overlay, "components", kind, name)
}

// checkReferences returns an error for each reference that leads nowhere.
func (c *composer) checkReferences(n *yaml.Node) error {
	if ref := text(n, "$ref"); ref != "" && c.resolve(n) == nil {
		return fmt.Errorf("overlay.yaml: %s refers to nothing: add it below components", ref)
	}
	var problems []error
	for _, child := range n.Content {
		problems = append(problems, c.checkReferences(child))
	}
	return errors.Join(problems...)
}

// splitRef returns the last two steps of #/components/KIND/NAME.
func splitRef(ref string) (kind, name string) {
	kind, name, _ = strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
	return kind, name
}

// operationOf names an operation of a service as x-hidden does.
func operationOf(service, method, path string) string {
	return service + " " + strings.ToUpper(method) + " " + path
}

// all returns the operations of all services, sorted.
func (c *composer) all() (operations []string) {
	for _, service := range slices.Sorted(maps.Keys(c.documents)) {
		for path, item := range entries(get(c.documents[service], "paths")) {
			for method := range entries(item) {
				if slices.Contains(methods, method) {
					operations = append(operations, operationOf(service, method, path))
				}
			}
		}
	}
	return operations
}

// hide marks what x-hidden lists as decided.
func (c *composer) hide() error {
	var problems []error
	there := c.all()
	for service, list := range entries(get(c.overlay, "x-hidden")) {
		for _, op := range list.Content {
			name := service + " " + op.Value
			switch {
			case !slices.Contains(there, name):
				problems = append(problems, fmt.Errorf("overlay.yaml: x-hidden lists %q of %s, whose document has no such operation: remove it", op.Value, service))
			case c.decided[name]:
				problems = append(problems, fmt.Errorf("overlay.yaml: %q of %s is published and in x-hidden: keep one", op.Value, service))
			}
			c.decided[name] = true
		}
	}
	return errors.Join(problems...)
}

// undecided returns a message for each operation that the overlay does not mention.
func (c *composer) undecided() (messages []string) {
	for _, name := range c.all() {
		if !c.decided[name] {
			service, op, _ := strings.Cut(name, " ")
			messages = append(messages, fmt.Sprintf("%s of %s is not public: services/gateway/overlay.yaml does not mention it. "+
				"Publish it below paths with x-from and x-roles, or list it below x-hidden.", op, service))
		}
	}
	return messages
}
