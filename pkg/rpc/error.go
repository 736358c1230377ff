package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Error codes that the specification reserves (section 5.1). Applications use codes
// outside of -32768 to -32000.
const (
	CodeParse          = -32700 // not JSON
	CodeInvalidRequest = -32600 // JSON, but not a request
	CodeNoMethod       = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
	// CodeExpired is from the range for implementations: the caller's deadline had
	// passed before the server began the request, so the server did not begin it.
	CodeExpired = -32001
)

// Error is an error response. A method that returns an Error, or wraps one, has it sent
// unchanged. Any other error is sent as CodeInternal without details.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error returns "message (code)".
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// Errorf returns an Error with a code of the application.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// reserved returns the error with the specification's message for code.
func reserved(code int) *Error {
	messages := map[int]string{
		CodeParse: "Parse error", CodeInvalidRequest: "Invalid Request", CodeNoMethod: "Method not found",
		CodeInvalidParams: "Invalid params", CodeInternal: "Internal error", CodeExpired: "Deadline passed",
	}
	return &Error{Code: code, Message: messages[code]}
}

// invalidParams returns CodeInvalidParams with the explanation as data.
func invalidParams(format string, args ...any) *Error {
	e := reserved(CodeInvalidParams)
	e.Data = mustEncode(fmt.Sprintf(format, args...))
	return e
}

// responseError returns the error to send for err.
func responseError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return reserved(CodeInternal)
}
