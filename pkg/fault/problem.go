package fault

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
)

// ProblemType is the media type of a problem document (RFC 9457, section 3).
const ProblemType = "application/problem+json"

// Problem is the problem document of a fault (RFC 9457).
type Problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Code   string  `json:"code"`
	Errors []Field `json:"errors,omitempty"`
}

// statuses returns each kind's HTTP status.
func statuses() map[Kind]int {
	return map[Kind]int{
		Internal: http.StatusInternalServerError, Malformed: http.StatusBadRequest,
		Unauthorized: http.StatusUnauthorized, Forbidden: http.StatusForbidden, NotFound: http.StatusNotFound,
		Conflict: http.StatusConflict, Gone: http.StatusGone, Stale: http.StatusPreconditionFailed,
		TooLarge: http.StatusRequestEntityTooLarge, Invalid: http.StatusUnprocessableEntity,
		TooMany: http.StatusTooManyRequests, Unavailable: http.StatusServiceUnavailable,
		Misdirected: http.StatusMisdirectedRequest,
	}
}

// Status returns the kind's HTTP status.
func (k Kind) Status() int { return statuses()[k] }

// kindOf returns the kind for the HTTP status of another service's response. Statuses that
// may change with a retry are Unavailable. 421 (Misdirected Request) is one of them: it says
// nothing about the resource.
func kindOf(status int) Kind {
	switch {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusMisdirectedRequest:
		return Unavailable
	}
	for k, s := range statuses() {
		if s == status {
			return k
		}
	}
	return Invalid
}

// Problem returns the fault's problem document. status must be that of its kind.
func (f *Fault) Problem(status int) Problem {
	return Problem{
		Type: "/problems/" + f.Code, Title: http.StatusText(status), Status: status,
		Detail: f.detail(), Code: f.Code, Errors: f.Fields,
	}
}

// detail returns Detail, and the number of omitted fields if there are any.
func (f *Fault) detail() string {
	if f.More == 0 {
		return f.Detail
	}
	return fmt.Sprintf("%s (%d of %d are listed)", f.Detail, len(f.Fields), len(f.Fields)+f.More)
}

// CodeUnexpected is the code of the fault for a response without a problem document.
const CodeUnexpected = "unexpected_answer"

// FromResponse returns the fault of an unsuccessful response: that of its problem document
// or, without one, a fault with CodeUnexpected and the kind of the status.
func FromResponse(status int, contentType string, body []byte) error {
	var p Problem
	media, _, _ := mime.ParseMediaType(contentType)
	if media == ProblemType && json.Unmarshal(body, &p) == nil && p.Code != "" {
		first := p.Errors[:min(len(p.Errors), MaxFields)]
		return &Fault{Kind: kindOf(status), Code: p.Code, Detail: p.Detail, Fields: first, More: len(p.Errors) - len(first)}
	}
	return New(kindOf(status), CodeUnexpected, "answer %d %s without a problem document", status, http.StatusText(status))
}
