package rpc

import (
	"bytes"
	"encoding/json"
	"time"
)

// request is a request object, taken apart. Members are matched case-sensitively
// (specification, section 2), which encoding/json alone would not do.
type request struct {
	id      json.RawMessage // nil for a notification
	method  string
	params  json.RawMessage // nil where there are none
	expires time.Time       // zero where the caller did not say
}

// response is a response object.
type response struct {
	Result json.RawMessage // where Error is nil
	Error  *Error
	ID     json.RawMessage
}

// version is the one that this package speaks.
const version = "2.0"

func null() json.RawMessage { return json.RawMessage("null") }

func failed(id json.RawMessage, e *Error) *response {
	if id == nil {
		id = null()
	}
	return &response{Error: e, ID: id}
}

// parseRequest takes a request object, in valid JSON, apart. What is none gives the ID, if that
// could be told, for the error to be answered under.
func parseRequest(raw json.RawMessage) (r request, e *Error) {
	if kind(raw) != '{' {
		return r, reserved(CodeInvalidRequest)
	}
	members := scan(raw)
	if id := find(members, "id"); id != nil {
		if !validID(id) {
			return r, reserved(CodeInvalidRequest)
		}
		r.id = id
	}
	if unquoted(find(members, "jsonrpc")) != version || !isString(find(members, "method")) {
		return r, reserved(CodeInvalidRequest)
	}
	r.method = unquoted(find(members, "method"))
	if params := find(members, "params"); params != nil {
		if k := kind(params); k != '[' && k != '{' {
			return r, reserved(CodeInvalidRequest)
		}
		r.params = params
	}
	var ms int64 // an extension: other servers ignore it, as the specification has them do
	if json.Unmarshal(find(members, "expires"), &ms) == nil && ms > 0 {
		r.expires = time.UnixMilli(ms)
	}
	return r, nil
}

// validID: a string, a number or null (specification, section 4).
func validID(id json.RawMessage) bool {
	k := kind(id)
	return k == '"' || k == 'n' || k == '-' || k >= '0' && k <= '9'
}

func isString(v json.RawMessage) bool { return kind(v) == '"' }

// kind is the first byte of a JSON value, which tells what it is; 0 of nothing.
func kind(v json.RawMessage) byte {
	if v = bytes.TrimLeft(v, " \t\r\n"); len(v) == 0 {
		return 0
	}
	return v[0]
}

// append adds the response as JSON. Its parts are JSON already.
func (r *response) append(to []byte) []byte {
	to = append(to, `{"jsonrpc":"2.0",`...)
	if r.Error != nil {
		to = append(append(to, `"error":`...), encoded(r.Error)...)
	} else {
		to = append(append(to, `"result":`...), r.Result...)
	}
	to = append(append(to, `,"id":`...), r.ID...)
	return append(to, '}')
}

// encoded is v, which can always be written, as JSON.
func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
