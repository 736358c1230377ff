// Package keyring is API keys as the API shows them, and the ways to get at them: in
// the gateway's database, or by asking a gateway that runs.
package keyring
