// Package identity says who calls the public API: a person, by a token that
// somebody issued (a JWT, RFC 7519), or a machine, by an API key of ours; and on a
// laptop, whoever one chooses to be.
//
// authenticator.go is the way in. It tells nobody what they may do: that is the
// gateway's business.
package identity
