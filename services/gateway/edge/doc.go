// Package edge serves the public API of all services at one address.
//
// A request passes middleware.go (security headers, CORS, rate limits),
// authenticate.go, policy.go (roles), idempotency.Middleware, orders.go and
// wishlist.go (ownership), body.go (incomplete bodies), routes.go and proxy.go (to the
// service and back). Requests for API keys, audits, the state of the services and
// recorded activity are answered here.
package edge
