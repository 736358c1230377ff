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

// Answer is a row: the response to a request, or the claim of one in progress.
type Answer struct {
	Scope       string      `gorm:"primaryKey"` // see Scope
	Owner       string      // ID of the claim
	Request     string      // fingerprint of the request
	Status      int         // 0: in progress
	Header      http.Header `gorm:"serializer:json"`
	Body        []byte
	LockedUntil time.Time // end of the claim
	CreatedAt   time.Time
}

// Scope returns the identifier of a key of one caller for one method and path. Equal keys
// of different callers, or for different routes, have different scopes. Services receive
// the scope as the Idempotency-Key, so that they cannot mix up callers either.
func Scope(caller, method, path, key string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{caller, method, path, key}, "\n")))
	return hex.EncodeToString(sum[:])
}

// keptHeaders returns the headers that are stored with a response.
func keptHeaders(h http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Content-Type", "Location", "Etag", "Link"} {
		if v := h.Values(name); len(v) > 0 {
			out[name] = v
		}
	}
	return out
}

// isSecret reports whether a response must not be stored (RFC 9111, section 5.2.2.5).
func isSecret(h http.Header) bool { return strings.Contains(h.Get("Cache-Control"), "no-store") }

// secretAnswer returns the row that is stored in place of a secret response: a problem
// document (409) that reports that the request was handled, with the Location of its
// result.
func secretAnswer(h http.Header) (Answer, error) {
	status := fault.Conflict.Status()
	given := fault.New(fault.Conflict, "answer_not_kept", "this request was handled before and its response is not stored; Location names its result")
	body, err := json.Marshal(given.Problem(status))
	header := keptHeaders(h)
	header.Set("Content-Type", fault.ProblemType)
	return Answer{Status: status, Header: header, Body: body}, err
}

// isFinal reports whether a response is stored. A request that failed on our side, was
// not authorized or came too early is handled again when it is repeated.
func isFinal(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusUnauthorized, http.StatusForbidden:
		return false
	default:
		return status >= 200 && status < 500
	}
}
