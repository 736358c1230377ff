// Package gateway is the shop's front door: one public address for the APIs of all
// services, whichever way they are reached.
//
// The way of one request: manners.go (not too often?), callers.go (who is it?),
// policy.go (may they?), answers (was it answered before?), orders.go and wishes.go
// (is it theirs?), routes.go (whose part is it?), body.go (does its sender finish
// it?), proxy.go (there and back). What is the gateway's own it answers itself: keys,
// audits, how the services are, and its notes of what happens (live). openapi.yaml
// says all of it to those outside.
//
// Its database has those notes, the hashes of API keys, what POSTs were answered, and
// audits: nothing of the business that a service does not know better.
package gateway
