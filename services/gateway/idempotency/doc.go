// Package idempotency stores the responses to POST requests with an Idempotency-Key, so
// that a request that is sent again changes nothing
// (draft-ietf-httpapi-idempotency-key-header-07).
package idempotency
