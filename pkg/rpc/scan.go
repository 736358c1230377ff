package rpc

import (
	"bytes"
	"encoding/json"
	"slices"
)

// member is a member of an object, or an element of an array, which has no name.
type member struct {
	name  string
	value json.RawMessage
}

// scan takes an object or an array apart, one level deep, into slices of raw; nil of
// what is neither. raw is valid JSON: encoding/json has checked it once, and building
// maps at each level by reflection is most of what a small call would cost.
func scan(raw []byte) (list []member) {
	s := scanner{raw: raw}
	s.space()
	object := s.at('{')
	if !object && !s.at('[') {
		return nil
	}
	list = make([]member, 0, 5)
	for s.i++; ; s.i++ { // past the bracket, or the comma
		s.space()
		if s.at('}') || s.at(']') {
			return list
		}
		var m member
		if object {
			m.name = unquoted(s.value())
			s.space()
			s.i++ // the colon
			s.space()
		}
		m.value = s.value()
		list = append(list, m)
		s.space()
		if !s.at(',') {
			return list
		}
	}
}

// find is the last member of that name, as encoding/json has it, or nil.
func find(list []member, name string) json.RawMessage {
	for _, m := range slices.Backward(list) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// scanner goes through valid JSON. What ends too early ends it, too.
type scanner struct {
	raw []byte
	i   int
}

func (s *scanner) at(c byte) bool { return s.i < len(s.raw) && s.raw[s.i] == c }

func (s *scanner) space() {
	for s.i < len(s.raw) && (s.raw[s.i] == ' ' || s.raw[s.i] == '\n' || s.raw[s.i] == '\t' || s.raw[s.i] == '\r') {
		s.i++
	}
}

// value passes one value.
func (s *scanner) value() json.RawMessage {
	from, depth := s.i, 0
	for s.i < len(s.raw) {
		switch s.raw[s.i] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.raw[from:s.i]
			}
			depth--
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return s.raw[from:s.i]
			}
		}
		s.i++
	}
	return s.raw[from:s.i]
}

// text passes a string.
func (s *scanner) text() {
	for s.i++; s.i < len(s.raw); s.i++ {
		switch s.raw[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return
		}
	}
	s.i = len(s.raw) // a backslash was the last
}

// unquoted is a JSON string's text; empty of anything else.
func unquoted(v json.RawMessage) string {
	n := len(v)
	if n < 2 || v[0] != '"' {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : n-1])
	}
	var text string
	_ = json.Unmarshal(v, &text) // it is one
	return text
}
