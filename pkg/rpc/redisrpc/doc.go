// Package redisrpc carries JSON-RPC over Redis lists: one list for the requests to a
// server, and one for the replies to each client. docs/rpc.md describes the messages,
// the keys and the guarantees.
package redisrpc
