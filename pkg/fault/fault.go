// Package fault has the error type that crosses process borders. The domain returns a Fault
// for a broken rule, internal/platform/rest writes it as an RFC 9457 problem document, and
// a client reads the document back into the same Fault. The layers between need not know
// HTTP.
package fault

import (
	"errors"
	"fmt"
	"slices"
)

// Kind classifies a fault. It determines the HTTP status, and whether the caller, the
// operator or a retry can resolve the fault.
type Kind int

// The kinds, each with the HTTP status that internal/platform/rest gives it.
const (
	Internal     Kind = iota // 500: a bug; the detail is only logged
	Malformed                // 400: cannot be parsed
	Unauthorized             // 401
	Forbidden                // 403
	NotFound                 // 404
	Conflict                 // 409: not possible in the resource's present state
	Gone                     // 410: existed once, will not come back
	Stale                    // 412: If-Match names an older version
	TooLarge                 // 413
	Invalid                  // 422: parses, but breaks a rule
	TooMany                  // 429: the caller exceeded its rate
	Unavailable              // 503: try again later
	Misdirected              // 421: the listener does not serve the request's Host
)

// Field names one invalid part of the input.
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
	Fields []Field // at most MaxFields
	More   int     // invalid parts of the input that Fields omits
}

// MaxFields bounds the fields of a fault. A longer list would help no caller, and an
// attacker could make its computation expensive.
const MaxFields = 100

// New returns a fault. format and args give its detail, as for fmt.Sprintf.
func New(kind Kind, code, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// With returns a copy of f with one more field. If f has MaxFields already, With only
// increments More.
func (f *Fault) With(pointer, format string, args ...any) *Fault {
	c := *f
	if len(f.Fields) >= MaxFields {
		c.More++
		return &c
	}
	c.Fields = append(append([]Field(nil), f.Fields...), Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	return &c
}

// Error returns "code: detail".
func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Is reports whether the first fault in the chain of err has one of the kinds.
func Is(err error, kinds ...Kind) bool {
	var f *Fault
	if !errors.As(err, &f) {
		return false
	}
	return slices.Contains(kinds, f.Kind)
}
