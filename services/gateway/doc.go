// Package gateway is the shop's front door: one public address for the APIs of all
// services, whichever way they are reached.
//
// The way of one request: guard.go (may it pass?), routes.go (whose is it?),
// body.go (does its sender finish it?), proxy.go (there and back). It keeps nothing.
package gateway
