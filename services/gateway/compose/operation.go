package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// finish adds the parts that the gateway gives every operation: the roles in its
// description, the Idempotency-Key of a POST, and the usual problem responses. An operation
// with security: [] gets the roles alone.
func (c *composer) finish(path, method string, item, op *yaml.Node) error {
	if get(op, "responses") == nil {
		return fmt.Errorf("overlay.yaml: %s %s has no responses: list them in the document of its service", strings.ToUpper(method), path)
	}
	roles := get(op, "x-roles")
	who := sentence(roles)
	if own := remove(op, "x-who"); own != nil {
		who = own.Value
	}
	description := scalar(strings.TrimSpace(who + " " + text(op, "description")))
	description.Style = yaml.FoldedStyle
	set(op, "description", description)
	if security := get(op, "security"); security == nil || len(security.Content) > 0 {
		if len(roles.Content) == 0 {
			set(op, "security", anybody())
		}
		if method == "post" {
			c.takeKey(op)
		}
		c.addProblems(method, item, op)
	}
	sortKeys(op, func(a, b string) int {
		return before(a, b, []string{"tags", "summary", "description", "operationId", "x-roles", "security", "parameters", "requestBody", "responses"})
	})
	return nil
}

// sentence names the roles that may call an operation.
func sentence(roles *yaml.Node) string {
	var names []string
	for _, r := range roles.Content {
		names = append(names, r.Value)
	}
	switch len(names) {
	case 0:
		return "For everybody."
	case 1:
		return "For the role " + names[0] + "."
	default:
		last := len(names) - 1
		return "For the roles " + strings.Join(names[:last], ", ") + " and " + names[last] + "."
	}
}

// anybody returns the security of an operation that takes a token and needs none.
func anybody() *yaml.Node {
	list := sequence()
	list.Style = yaml.FlowStyle
	for _, scheme := range []string{"", "person", "key"} {
		one := mapping()
		if scheme != "" {
			set(one, scheme, sequence())
		}
		list.Content = append(list.Content, one)
	}
	return list
}

// takeKey adds the header Idempotency-Key and the mark of replayed responses.
func (c *composer) takeKey(op *yaml.Node) {
	parameters := get(op, "parameters")
	if parameters == nil {
		parameters = sequence()
		set(op, "parameters", parameters)
	}
	parameters.Content = append(parameters.Content, reference("#/components/parameters/IdempotencyKey"))
	for status, response := range entries(get(op, "responses")) {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		headers := get(response, "headers")
		if headers == nil {
			headers = mapping()
			set(response, "headers", headers)
		}
		set(headers, "Idempotency-Replayed", reference("#/components/headers/IdempotencyReplayed"))
	}
}

// addProblems adds the responses that follow from what an operation is, where it does
// not have them.
func (c *composer) addProblems(method string, item, op *yaml.Node) {
	var parameters []*yaml.Node
	for _, list := range []*yaml.Node{get(item, "parameters"), get(op, "parameters")} {
		if list != nil {
			for _, p := range list.Content {
				parameters = append(parameters, c.resolve(p))
			}
		}
	}
	has := func(match func(p *yaml.Node) bool) bool { return slices.ContainsFunc(parameters, match) }
	takesBody := get(op, "requestBody") != nil
	responses := get(op, "responses")
	for _, p := range []struct {
		status, name string
		applies      bool
	}{
		{"400", "Malformed", takesBody || len(parameters) > 0},
		{"401", "Unauthorized", true},
		{"403", "Forbidden", len(get(op, "x-roles").Content) > 0},
		{"404", "NotFound", method != "put" && has(func(p *yaml.Node) bool { return text(p, "in") == "path" })},
		{"409", "Conflict", method == "post"},
		{"412", "Stale", has(func(p *yaml.Node) bool { return text(p, "name") == "If-Match" })},
		{"413", "TooLarge", takesBody},
		{"415", "MediaType", takesBody},
		{"422", "Invalid", takesBody || has(c.limited)},
		{"429", "TooMany", true},
		{"503", "Unavailable", true},
		{"default", "Problem", true},
	} {
		if p.applies && get(responses, p.status) == nil {
			set(responses, p.status, reference("#/components/responses/"+p.name))
		}
	}
	sortKeys(responses, strings.Compare) // default comes after the digits
}

// limited reports whether a parameter's schema refuses some values of its type. An enum
// in a path does not count: another value is another path, and 404.
func (c *composer) limited(p *yaml.Node) bool {
	schema := c.resolve(get(p, "schema"))
	for key, value := range entries(schema) {
		switch key {
		case "enum":
			if text(p, "in") != "path" {
				return true
			}
		case "minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems":
			return true
		case "items":
			if c.limited(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("schema"), value}}) {
				return true
			}
		}
	}
	return false
}

// before compares keys by their places in a list; others come last, in their order.
func before(a, b string, order []string) int {
	at := func(key string) int {
		if n := slices.Index(order, key); n >= 0 {
			return n
		}
		return len(order)
	}
	return cmp.Compare(at(a), at(b))
}
