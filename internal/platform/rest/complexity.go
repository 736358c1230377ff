package rest

import (
	"quadrille/pkg/fault"
)

// What a body in JSON may consist of. Its size alone does not bound what it costs to
// check: of a megabyte of empty objects, each one is wrong in several ways.
const (
	maxDepth    = 32     // of objects and arrays in each other
	maxValues   = 25_000 // in the whole body
	maxElements = 5_000  // of one array
	maxNumber   = 100    // characters of one number
)

// checkComplexity refuses JSON that is nested deeper, or has more parts, than is taken.
// It looks at each byte once, before anything is made of the body, and does not mind
// what is no JSON.
func checkComplexity(body []byte) error {
	s := complexity{}
	for i := 0; i < len(body); {
		i += s.take(body[i:])
		if s.broken != "" {
			return fault.New(fault.Malformed, "json_too_complex", "the body is refused unread: it has "+s.broken, s.limit).
				With("", s.broken, s.limit)
		}
	}
	return nil
}

// complexity is what was seen of a body.
type complexity struct {
	depth, values int
	elements      [maxDepth + 1]int // of each open object or array; 0: outermost
	array         [maxDepth + 1]bool
	broken        string // which limit is exceeded, as a format of it
	limit         int
}

// take looks at the token that text begins with, and returns its length.
func (s *complexity) take(text []byte) int {
	switch c := text[0]; c {
	case '"':
		return stringLength(text)
	case '{', '[':
		s.open(c == '[')
	case '}', ']':
		s.depth = max(0, s.depth-1)
	case ',':
		s.count()
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n := numberLength(text)
		if n > maxNumber {
			s.exceed("a number of more than %d characters", maxNumber)
		}
		return n
	}
	return 1
}

func (s *complexity) open(array bool) {
	if s.depth == maxDepth {
		s.exceed("objects or arrays nested more than %d deep", maxDepth)
		return
	}
	s.depth++
	s.elements[s.depth], s.array[s.depth] = 0, array
	s.count()
}

// count counts a value, or a member of an object: one for the first and one for each
// comma.
func (s *complexity) count() {
	s.values++
	s.elements[s.depth]++
	switch {
	case s.array[s.depth] && s.elements[s.depth] > maxElements:
		s.exceed("an array of more than %d elements", maxElements)
	case s.values > maxValues:
		s.exceed("more than %d values", maxValues)
	}
}

func (s *complexity) exceed(what string, limit int) { s.broken, s.limit = what, limit }

// stringLength returns the length of the string that text begins with; all of it where the
// string does not end.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// numberLength returns the length of the number that text begins with.
func numberLength(text []byte) int {
	for i, c := range text {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return i
		}
	}
	return len(text)
}
