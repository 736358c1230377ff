// Package idempotency stores the responses to POST requests with an Idempotency-Key and
// replays them when a request is repeated, so that the repetition has no further effect
// (draft-ietf-httpapi-idempotency-key-header-07).
package idempotency
