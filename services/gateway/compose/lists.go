package main

import (
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// tags returns the overlay's tags, and then the other tags of the public operations. A tag
// without a description gets that of the service which has it.
func (c *composer) tags(list, paths *yaml.Node) *yaml.Node {
	list = clone(list)
	for _, name := range tagsOf(paths) {
		if !slices.ContainsFunc(list.Content, func(tag *yaml.Node) bool { return text(tag, "name") == name }) {
			tag := mapping()
			set(tag, "name", scalar(name))
			list.Content = append(list.Content, tag)
		}
	}
	for _, tag := range list.Content {
		if text(tag, "description") != "" {
			continue
		}
		for _, service := range slices.Sorted(maps.Keys(c.documents)) {
			for _, other := range items(get(c.documents[service], "tags")) {
				if text(other, "name") == text(tag, "name") {
					merge(tag, other)
				}
			}
		}
	}
	return list
}

// tagsOf returns the tags of all operations, sorted.
func tagsOf(paths *yaml.Node) []string {
	used := map[string]bool{}
	for _, item := range entries(paths) {
		for _, op := range entries(item) {
			for _, tag := range items(get(op, "tags")) {
				used[tag.Value] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(used))
}

// listServices makes the enum of ServiceName: the gateway, and then each service that has a
// document, sorted.
func (c *composer) listServices() {
	schema := get(c.components, "schemas", "ServiceName")
	if schema == nil || get(schema, "enum") != nil {
		return
	}
	enum := sequence()
	enum.Style = yaml.FlowStyle
	enum.Content = append(enum.Content, scalar("gateway"))
	for _, name := range slices.Sorted(maps.Keys(c.documents)) {
		if name != operationsDocument {
			enum.Content = append(enum.Content, scalar(name))
		}
	}
	set(schema, "enum", enum)
}

// listCodes makes the enum of ProblemCode from its x-statuses.
func (c *composer) listCodes() {
	schema := get(c.components, "schemas", "ProblemCode")
	if schema == nil || get(schema, "enum") != nil {
		return
	}
	enum := sequence()
	for code := range entries(get(schema, "x-statuses")) {
		enum.Content = append(enum.Content, scalar(code))
	}
	set(schema, "enum", enum)
}
