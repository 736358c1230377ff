// Package gateway puts the public API of all services at one address.
//
// wire.go builds it from its parts: edge (the HTTP server, its policy and its
// proxy), auth (callers and API keys), idempotency (stored responses by
// Idempotency-Key), ratelimit, activity (recorded events and their streams) and ui
// (the pages). openapi.yaml describes the public API; compose writes it from
// overlay.yaml and the services' documents.
//
// The gateway's database holds recorded activity, hashes of API keys, responses to
// POST requests, and audits. Business data stays with the services.
package gateway

//go:generate go run ./compose
