package idempotency

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"quadrille/pkg/fault"
)

// Answer is a row: what a request was answered, or that it is being worked on.
type Answer struct {
	Scope       string      `gorm:"primaryKey"` // see Scope
	Owner       string      // who works, or worked, on it
	Request     string      // fingerprint of what was asked
	Status      int         // 0: it is being worked on
	Header      http.Header `gorm:"serializer:json"`
	Body        []byte
	LockedUntil time.Time // after it, whoever worked on the request is taken for dead
	CreatedAt   time.Time
}

// Scope is whose key for what it is: the same key of another caller, or for another
// route, is another. It is also what the services are sent as the key, whose
// customers it must not mix up either.
func Scope(caller, method, path, key string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{caller, method, path, key}, "\n")))
	return hex.EncodeToString(sum[:])
}

// keptHeaders are the headers that belong to an answer and not to its way.
func keptHeaders(h http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Content-Type", "Location", "Etag", "Link"} {
		if v := h.Values(name); len(v) > 0 {
			out[name] = v
		}
	}
	return out
}

// isSecret is an answer that must not be stored (RFC 9111, section 5.2.2.5).
func isSecret(h http.Header) bool { return strings.Contains(h.Get("Cache-Control"), "no-store") }

// secretAnswer is what is kept in place of a secret answer: that it was given.
func secretAnswer(h http.Header) (Answer, error) {
	status := fault.Conflict.Status()
	given := fault.New(fault.Conflict, "answer_not_kept", "this was done before, and its answer is not shown again; Location names what it made")
	body, err := json.Marshal(given.Problem(status))
	header := keptHeaders(h)
	header.Set("Content-Type", fault.ProblemType)
	return Answer{Status: status, Header: header, Body: body}, err
}

// isFinal reports whether an answer is the last word on a request. What failed on our
// side, or came too early, is asked again.
func isFinal(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusUnauthorized, http.StatusForbidden:
		return false
	default:
		return status >= 200 && status < 500
	}
}
