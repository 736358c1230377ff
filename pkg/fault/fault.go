// Package fault is the one error type that crosses a border: a rule of the
// domain breaks with a Fault, internal/platform/rest writes it as an RFC 9457 problem
// document, and a client reads that document back into the same Fault. No layer
// between needs to know about HTTP.
package fault

import (
	"errors"
	"fmt"
	"slices"
)

// Kind says whose fault it is and whether another try can help.
type Kind int

// The kinds, each with the HTTP status that internal/platform/rest gives it.
const (
	Internal     Kind = iota // 500: ours; the detail stays in the log
	Malformed                // 400: cannot be parsed
	Unauthorized             // 401
	Forbidden                // 403
	NotFound                 // 404
	Conflict                 // 409: not in the thing's present state
	Gone                     // 410: was there, will not come back
	Stale                    // 412: If-Match names an older version
	TooLarge                 // 413
	Invalid                  // 422: parses, but breaks a rule
	TooMany                  // 429: more than this caller may ask now
	Unavailable              // 503: try again later
	Misdirected              // 421: sent to a listener that does not go by the request's Host
)

// Field is one part of the input that is wrong.
type Field struct {
	Pointer string `json:"pointer"` // JSON Pointer (RFC 6901) into the body, or "#/query/name", "#/header/name", "#/path/name"
	Detail  string `json:"detail"`
}

// Fault is an error with a kind, a stable code for programs and a sentence for
// people.
type Fault struct {
	Kind   Kind
	Code   string // snake_case, part of the API: "sku_unknown"
	Detail string
	Fields []Field // MaxFields at the most
	// More is how many further parts of the input are wrong, which Fields leaves out.
	More int
}

// MaxFields is how many parts of the input a fault names. An answer that lists more
// helps nobody, and costs whoever makes it.
const MaxFields = 100

// New makes a fault whose detail is formatted as by fmt.Sprintf.
func New(kind Kind, code, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// With returns a copy that also names a part of the input. Behind MaxFields it only
// counts.
func (f *Fault) With(pointer, format string, args ...any) *Fault {
	c := *f
	if len(f.Fields) >= MaxFields {
		c.More++
		return &c
	}
	c.Fields = append(append([]Field(nil), f.Fields...), Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	return &c
}

// Error is "code: detail".
func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Is reports whether err is, or wraps, a fault of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	var f *Fault
	if !errors.As(err, &f) {
		return false
	}
	return slices.Contains(kinds, f.Kind)
}
