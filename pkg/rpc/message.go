package rpc

import (
	"encoding/json"
	"time"

	"quadrille/pkg/rpc/internal/jsonscan"
)

// request is a decoded request object. Members match case-sensitively (specification,
// section 2), unlike with encoding/json.
type request struct {
	id      json.RawMessage // nil for a notification
	method  string
	params  json.RawMessage // nil if there are none
	expires time.Time       // zero if the caller sent no deadline
}

// response is a response object.
type response struct {
	Result json.RawMessage // if Error is nil
	Error  *Error
	ID     json.RawMessage
}

// version is the protocol version in every message.
const version = "2.0"

func null() json.RawMessage { return json.RawMessage("null") }

func failed(id json.RawMessage, e *Error) *response {
	if id == nil {
		id = null()
	}
	return &response{Error: e, ID: id}
}

// parseRequest decodes a request object from valid JSON. With an error it returns a
// request that has only the ID, if that is valid, for the error response.
func parseRequest(raw json.RawMessage) (r request, e *Error) {
	if jsonscan.Kind(raw) != '{' {
		return r, reserved(CodeInvalidRequest)
	}
	members := jsonscan.Split(raw)
	if id := jsonscan.Find(members, "id"); id != nil {
		if !validID(id) {
			return r, reserved(CodeInvalidRequest)
		}
		r.id = id
	}
	if jsonscan.String(jsonscan.Find(members, "jsonrpc")) != version || jsonscan.Kind(jsonscan.Find(members, "method")) != '"' {
		return r, reserved(CodeInvalidRequest)
	}
	r.method = jsonscan.String(jsonscan.Find(members, "method"))
	if params := jsonscan.Find(members, "params"); params != nil {
		if k := jsonscan.Kind(params); k != '[' && k != '{' {
			return r, reserved(CodeInvalidRequest)
		}
		r.params = params
	}
	var ms int64 // an extension, which other servers ignore as the specification says
	if json.Unmarshal(jsonscan.Find(members, "expires"), &ms) == nil && ms > 0 {
		r.expires = time.UnixMilli(ms)
	}
	return r, nil
}

// validID reports whether id is a string, a number or null (specification, section 4).
func validID(id json.RawMessage) bool {
	k := jsonscan.Kind(id)
	return k == '"' || k == 'n' || jsonscan.IsNumber(id)
}

// append appends the response as JSON.
func (r *response) append(to []byte) []byte {
	to = append(to, `{"jsonrpc":"2.0",`...)
	if r.Error != nil {
		to = append(append(to, `"error":`...), mustEncode(r.Error)...)
	} else {
		to = append(append(to, `"result":`...), r.Result...)
	}
	to = append(append(to, `,"id":`...), r.ID...)
	return append(to, '}')
}

// mustEncode encodes a value whose encoding cannot fail.
func mustEncode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
