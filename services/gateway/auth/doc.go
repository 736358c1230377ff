// Package auth identifies the callers of the public API and manages API keys.
//
// People authenticate with a JSON Web Token (RFC 7519) of the configured issuer, machines
// with an API key. On a laptop the development sign-in issues tokens for any name.
// Authenticator is the entry point. The package does not authorize: edge/policy.go
// decides which role may call what.
//
// A Keyring manages API keys: LocalKeys in the gateway's database, RemoteKeys through
// the API of a running gateway.
package auth
