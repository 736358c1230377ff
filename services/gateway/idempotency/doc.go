// Package answers keeps what POST requests were answered under their
// Idempotency-Keys, so that one that is sent again changes nothing
// (draft-ietf-httpapi-idempotency-key-header-07).
package idempotency
