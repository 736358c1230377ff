package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The codes that the specification reserves (section 5.1). Applications use others,
// outside of -32768 to -32000.
const (
	CodeParse          = -32700 // not JSON
	CodeInvalidRequest = -32600 // JSON, but no request
	CodeNoMethod       = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
	// CodeExpired, of the range left to servers: the caller's deadline had passed
	// before the request was worked on, so it was not.
	CodeExpired = -32001
)

// Error is what a method, or the protocol, answers instead of a result. A method
// that returns one, or wraps it, has it sent as it is; any other error becomes
// CodeInternal and tells the caller nothing.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error is "message (code)".
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// Errorf makes an application's error.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// messages are the specification's own words.
func reserved(code int) *Error {
	words := map[int]string{
		CodeParse: "Parse error", CodeInvalidRequest: "Invalid Request", CodeNoMethod: "Method not found",
		CodeInvalidParams: "Invalid params", CodeInternal: "Internal error", CodeExpired: "Deadline passed",
	}
	return &Error{Code: code, Message: words[code]}
}

// invalidParams says what is wrong with the params.
func invalidParams(format string, args ...any) *Error {
	e := reserved(CodeInvalidParams)
	e.Data = encoded(fmt.Sprintf(format, args...))
	return e
}

// public is what the caller is told of err.
func public(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return reserved(CodeInternal)
}
