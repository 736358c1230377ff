// Package jsonscan splits valid JSON one level deep without copying it. Callers
// check the input with json.Valid first: building a map at each level by reflection
// costs most of the time of a small call.
package jsonscan

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Member is a member of an object, or an element of an array, which has no name.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Split returns the members of an object or the elements of an array as slices of
// raw, and nil for any other value. On invalid JSON it returns what it has found so
// far.
func Split(raw []byte) (members []Member) {
	s := scanner{raw: raw}
	s.skipSpace()
	object := s.at('{')
	if !object && !s.at('[') {
		return nil
	}
	members = make([]Member, 0, 5)
	for s.i++; ; s.i++ { // skips the bracket, then each comma
		s.skipSpace()
		if s.at('}') || s.at(']') {
			return members
		}
		var m Member
		if object {
			m.Name = String(s.value())
			s.skipSpace()
			s.i++ // the colon
			s.skipSpace()
		}
		m.Value = s.value()
		members = append(members, m)
		s.skipSpace()
		if !s.at(',') {
			return members
		}
	}
}

// Find returns the value of the last member with that name, as encoding/json does,
// or nil.
func Find(members []Member, name string) json.RawMessage {
	for _, m := range slices.Backward(members) {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// Elements returns the elements of an array, and any other value as the only one.
func Elements(raw []byte) []Member {
	if Kind(raw) == '[' {
		return Split(raw)
	}
	return []Member{{Value: raw}}
}

// Kind returns the first byte of a JSON value, which tells its type; 0 for empty
// input.
func Kind(v json.RawMessage) byte {
	if v = bytes.TrimLeft(v, " \t\r\n"); len(v) == 0 {
		return 0
	}
	return v[0]
}

// IsNumber reports whether v is a number.
func IsNumber(v json.RawMessage) bool {
	k := Kind(v)
	return k == '-' || k >= '0' && k <= '9'
}

// String returns the text of a JSON string, and "" for any other value.
func String(v json.RawMessage) string {
	n := len(v)
	if n < 2 || v[0] != '"' {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : n-1])
	}
	var text string
	_ = json.Unmarshal(v, &text) // v is a valid string
	return text
}

// scanner walks over valid JSON. On input that ends too early it stops at the end.
type scanner struct {
	raw []byte
	i   int
}

func (s *scanner) at(c byte) bool { return s.i < len(s.raw) && s.raw[s.i] == c }

func (s *scanner) skipSpace() {
	for s.i < len(s.raw) && (s.raw[s.i] == ' ' || s.raw[s.i] == '\n' || s.raw[s.i] == '\t' || s.raw[s.i] == '\r') {
		s.i++
	}
}

// value returns the value at the current index and moves past it.
func (s *scanner) value() json.RawMessage {
	from, depth := s.i, 0
	for s.i < len(s.raw) {
		switch s.raw[s.i] {
		case '"':
			s.skipString()
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

// skipString moves past a string.
func (s *scanner) skipString() {
	for s.i++; s.i < len(s.raw); s.i++ {
		switch s.raw[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return
		}
	}
	s.i = len(s.raw) // a trailing backslash skips beyond the end
}
