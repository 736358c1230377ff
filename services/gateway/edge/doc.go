// Package edge serves the public API of all services at one address.
//
// A request passes middleware.go (security headers, CORS, rate limits),
// authenticate.go, policy.go (roles), idempotency.Middleware, ownership.go (own orders
// and wishlists), body.go (incomplete bodies), routes.go and proxy.go (to the service
// and back). The gateway itself handles requests for API keys, audits, the state of the
// services and recorded activity.
package edge
