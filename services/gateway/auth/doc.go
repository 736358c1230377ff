// Package auth identifies the callers of the public API and manages API keys.
//
// A person is identified by a JSON Web Token (RFC 7519) of the configured issuer, a
// machine by an API key, and on a laptop anybody by the development sign-in.
// Authenticator is the entry point. The package does not authorize: which role may
// call what is decided by edge/policy.go.
//
// A Keyring manages API keys: LocalKeys in the gateway's database, RemoteKeys through
// the API of a running gateway.
package auth
