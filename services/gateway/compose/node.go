package main

import (
	"iter"
	"slices"

	"gopkg.in/yaml.v3"
)

// get returns the value below a path of keys; nil where there is none.
func get(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var found *yaml.Node
		for k, v := range entries(n) {
			if k == key {
				found = v
			}
		}
		n = found
	}
	return n
}

// text returns the scalar below a path of keys; empty where there is none.
func text(n *yaml.Node, keys ...string) string {
	if n = get(n, keys...); n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// entries yields the keys and values of a mapping in their order. A nil node has none.
func entries(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// items returns the values of a sequence. A nil node has none.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// set adds or replaces a value of a mapping.
func set(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
			return
		}
	}
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
	if key != "" && key[0] >= '0' && key[0] <= '9' {
		k.Style = yaml.DoubleQuotedStyle // a status, which YAML would read as a number
	}
	n.Content = append(n.Content, k, value)
}

// remove deletes a key of a mapping and returns its value; nil where there is none.
func remove(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			value := n.Content[i+1]
			n.Content = slices.Delete(n.Content, i, i+2)
			return value
		}
	}
	return nil
}

// merge applies a JSON merge patch (RFC 7396): mappings are merged, null removes, and
// anything else replaces. It copies what it takes from the patch.
func merge(n, patch *yaml.Node) {
	for key, value := range entries(patch) {
		switch old := get(n, key); {
		case value.Tag == "!!null":
			remove(n, key)
		case old != nil && old.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode && get(value, "$ref") == nil:
			merge(old, value)
		default:
			set(n, key, clone(value))
		}
	}
}

// clone returns a deep copy.
func clone(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		out.Content[i] = clone(child)
	}
	return &out
}

// equal reports whether two nodes say the same. Order of keys, style and comments do
// not count.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind == yaml.MappingNode {
		for key, value := range entries(a) {
			if other := get(b, key); other == nil || !equal(value, other) {
				return false
			}
		}
		return true
	}
	return slices.EqualFunc(a.Content, b.Content, equal)
}

// sortKeys orders a mapping's entries by compare, which gets the keys.
func sortKeys(n *yaml.Node, compare func(a, b string) int) {
	type entry struct{ key, value *yaml.Node }
	var all []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		all = append(all, entry{n.Content[i], n.Content[i+1]})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return compare(a.key.Value, b.key.Value) })
	n.Content = n.Content[:0]
	for _, e := range all {
		n.Content = append(n.Content, e.key, e.value)
	}
}

func mapping() *yaml.Node  { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }
func sequence() *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"} }

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// reference returns {$ref: to}.
func reference(to string) *yaml.Node {
	n := mapping()
	n.Style = yaml.FlowStyle
	set(n, "$ref", scalar(to))
	return n
}
