package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// The keys that the parts of the overlay can have. Most are those of OpenAPI 3.0.
var (
	overlayKeys   = []string{"openapi", "info", "tags", "security", "servers", "x-hidden", "x-rename", "paths", "components"}
	pathKeys      = append([]string{"x-from", "summary", "description", "parameters"}, methods...)
	operationKeys = []string{
		"x-roles", "x-who", "tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody", "responses", "callbacks", "deprecated", "security", "servers",
	}
	componentKinds = []string{"schemas", "responses", "parameters", "examples", "requestBodies", "headers", "securitySchemes", "links", "callbacks"}
	roleNames      = []string{"customer", "warehouse", "staff"}
)

// pathParameter matches a parameter of a path.
var pathParameter = regexp.MustCompile(`\{([^{}]*)\}`)

// wrong returns an error about a node of the overlay, with its line.
func wrong(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("overlay.yaml:%d: %w", at.Line, fmt.Errorf(format, args...))
}

// checkOverlay returns an error for each part of the overlay that has an unknown key or the
// wrong form. Composing would ignore it, or copy it into the public document.
func (c *composer) checkOverlay() error {
	problems := []error{checkKeys("the overlay", c.overlay, overlayKeys)}
	for _, key := range []string{"paths", "components", "x-hidden", "x-rename"} {
		if n := get(c.overlay, key); n != nil && n.Kind != yaml.MappingNode {
			problems = append(problems, wrong(n, "%s is not a mapping", key))
		}
	}
	for path, item := range entries(get(c.overlay, "paths")) {
		problems = append(problems, c.checkPath(path, item))
	}
	if components := get(c.overlay, "components"); components != nil {
		problems = append(problems, checkKeys("components", components, componentKinds))
	}
	return errors.Join(append(problems, c.checkHidden(), c.checkRenames())...)
}

// checkKeys returns an error for each key of a mapping that is not among the known ones.
func checkKeys(what string, n *yaml.Node, known []string) error {
	var problems []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains(known, key.Value) {
			problems = append(problems, wrong(key, "%s has the unknown key %q: correct or remove it; the keys are %s", what, key.Value, strings.Join(known, ", ")))
		}
	}
	return errors.Join(problems...)
}

// checkPath returns an error for each mistake in a path of the overlay.
func (c *composer) checkPath(path string, item *yaml.Node) error {
	if item.Kind != yaml.MappingNode {
		return wrong(item, "%s is not a mapping: give it the operations to publish, such as get: { x-roles: [staff] }", path)
	}
	problems := []error{checkKeys(path, item, pathKeys)}
	operations := 0
	for method, op := range entries(item) {
		if !slices.Contains(methods, method) {
			continue
		}
		operations++
		problems = append(problems, checkOperation(strings.ToUpper(method)+" "+path, op))
		if get(item, "x-from") == nil && op.Kind == yaml.MappingNode && get(op, "responses") == nil {
			problems = append(problems, wrong(op, "%s %s has no responses: list them, or name the service that it comes from in x-from of the path", strings.ToUpper(method), path))
		}
	}
	if operations == 0 {
		problems = append(problems, wrong(item, "%s has no operation: list those to publish, such as get: { x-roles: [staff] }, or remove the path", path))
	}
	if from := get(item, "x-from"); from != nil {
		problems = append(problems, c.checkFrom(path, from))
	}
	return errors.Join(problems...)
}

// checkFrom returns an error for an x-from that names no document, or whose public path is
// outside the public API.
func (c *composer) checkFrom(path string, from *yaml.Node) error {
	service, inner, _ := strings.Cut(from.Value, " ")
	switch {
	case from.Kind != yaml.ScalarNode || service == "" || inner != "" && !strings.HasPrefix(inner, "/"):
		return wrong(from, "x-from of %s is not the name of a service, or its name and the path there, such as sales /orders", path)
	case c.documents[service] == nil:
		return wrong(from, "%s comes from %q, which has no document: correct x-from; the documents are %s", path, service, strings.Join(slices.Sorted(maps.Keys(c.documents)), ", "))
	case !strings.HasPrefix(path, prefix+"/"):
		return wrong(from, "%s comes from %s and does not begin with %s/: write %s", path, service, prefix, prefix+path)
	default:
		return nil
	}
}

// checkOperation returns an error for each mistake in an operation of the overlay.
func checkOperation(name string, op *yaml.Node) error {
	if op.Kind != yaml.MappingNode {
		return wrong(op, "%s is not a mapping: write { x-roles: [staff] } to publish it, or remove it", name)
	}
	problems := []error{checkKeys(name, op, operationKeys)}
	roles := get(op, "x-roles")
	if roles == nil || roles.Kind != yaml.SequenceNode {
		return errors.Join(append(problems, wrong(op, "%s has no list x-roles: list the roles that may call it, or write [] for everybody", name))...)
	}
	for n, role := range roles.Content {
		switch {
		case !slices.Contains(roleNames, role.Value):
			problems = append(problems, wrong(role, "%s is for the role %q: the roles are %s, and [] is for everybody", name, role.Value, strings.Join(roleNames, ", ")))
		case slices.ContainsFunc(roles.Content[:n], func(other *yaml.Node) bool { return other.Value == role.Value }):
			problems = append(problems, wrong(role, "%s is for the role %s twice: remove one", name, role.Value))
		}
	}
	return errors.Join(problems...)
}

// checkHidden returns an error for each service of x-hidden that has no list of operations.
func (c *composer) checkHidden() error {
	var problems []error
	for service, list := range entries(get(c.overlay, "x-hidden")) {
		if list.Kind != yaml.SequenceNode {
			problems = append(problems, wrong(list, "x-hidden of %s is not a list of operations, such as [GET /stock]", service))
			continue
		}
		for n, op := range list.Content {
			if slices.ContainsFunc(list.Content[:n], func(other *yaml.Node) bool { return other.Value == op.Value }) {
				problems = append(problems, wrong(op, "x-hidden lists %q of %s twice: remove one", op.Value, service))
			}
		}
	}
	return errors.Join(problems...)
}

// checkRenames returns an error for each component of x-rename that its service does not have.
func (c *composer) checkRenames() error {
	var problems []error
	for service, names := range entries(get(c.overlay, "x-rename")) {
		if c.documents[service] == nil {
			problems = append(problems, wrong(names, "x-rename names the service %q, which has no document: correct or remove it", service))
			continue
		}
		for name, to := range entries(names) {
			has := false
			for _, kind := range entries(get(c.documents[service], "components")) {
				has = has || get(kind, name) != nil
			}
			if !has {
				problems = append(problems, wrong(to, "x-rename renames %s of %s, whose document has no such component: remove it", name, service))
			}
		}
	}
	return errors.Join(problems...)
}

// checkPublic returns an error for each parameter of a public path that is not described, and
// for each operationId that two operations have.
func checkPublic(paths *yaml.Node, resolve func(*yaml.Node) *yaml.Node) error {
	var problems []error
	owner := map[string]string{}
	for path, item := range entries(paths) {
		for method, op := range entries(item) {
			if !slices.Contains(methods, method) {
				continue
			}
			name := strings.ToUpper(method) + " " + path
			for _, parameter := range pathParameter.FindAllStringSubmatch(path, -1) {
				if !describes(parameter[1], resolve, get(item, "parameters"), get(op, "parameters")) {
					problems = append(problems, fmt.Errorf("overlay.yaml: %s does not describe the parameter {%s} of its path: write it as the service does, or add it to parameters", name, parameter[1]))
				}
			}
			id := text(op, "operationId")
			if id == "" {
				problems = append(problems, fmt.Errorf("overlay.yaml: %s has no operationId: give it one", name))
			} else if other := owner[id]; other != "" {
				problems = append(problems, fmt.Errorf("overlay.yaml: %s and %s both have the operationId %s: give one of them another", other, name, id))
			}
			owner[id] = name
		}
	}
	return errors.Join(problems...)
}

// describes reports whether one of the lists of parameters has a path parameter.
func describes(name string, resolve func(*yaml.Node) *yaml.Node, lists ...*yaml.Node) bool {
	for _, list := range lists {
		for _, p := range items(list) {
			if full := resolve(p); text(full, "in") == "path" && text(full, "name") == name {
				return true
			}
		}
	}
	return false
}
