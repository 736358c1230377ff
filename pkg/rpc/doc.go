// Package rpc is JSON-RPC 2.0 (jsonrpc.org/specification) with one core and any
// transport: Server.Handle takes the bytes of a request, or of a batch, and returns
// those of the reply. A Go function becomes a method by Register; a Client calls one
// by name over whatever carries bytes.
package rpc
