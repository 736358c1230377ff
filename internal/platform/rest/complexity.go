package rest

import (
	"quadrille/pkg/fault"
)

// Limits of a JSON body. Its size alone does not bound the cost of its validation: in a
// megabyte of empty objects, each one breaks several rules.
const (
	maxDepth    = 32     // nesting of objects and arrays
	maxValues   = 25_000 // in the whole body
	maxElements = 5_000  // of one array
	maxNumber   = 100    // characters of one number
)

// checkComplexity returns a Malformed fault for JSON that exceeds a limit. It reads each
// byte once, before the body is decoded, and accepts invalid JSON.
func checkComplexity(body []byte) error {
	s := complexity{}
	for i := 0; i < len(body); {
		i += s.take(body[i:])
		if s.broken != "" {
			return fault.New(fault.Malformed, "json_too_complex", "the body is too complex to be read: it has "+s.broken, s.limit).
				With("", s.broken, s.limit)
		}
	}
	return nil
}

// complexity counts the parts of a body.
type complexity struct {
	depth, values int
	elements      [maxDepth + 1]int // of each open object or array; 0: outermost
	array         [maxDepth + 1]bool
	broken        string // message about the exceeded limit, a format for limit
	limit         int
}

// take counts the token at the start of text and returns its length.
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

// count counts one value or member: the first one, and one for each comma.
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

// stringLength returns the length of the string at the start of text, or the length of text
// if the string does not end.
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

// numberLength returns the length of the number at the start of text.
func numberLength(text []byte) int {
	for i, c := range text {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return i
		}
	}
	return len(text)
}
