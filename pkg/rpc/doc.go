// Package rpc implements JSON-RPC 2.0 (jsonrpc.org/specification) with one core for any
// transport. Server.Handle maps the bytes of a request, or of a batch, to those of the
// reply. Register makes a method of a Go function; a Client calls methods over a
// Transport.
//
// HTTP is part of this package. Packages amqprpc and redisrpc have the transports over
// RabbitMQ and Redis. RoundTripper and ServeHTTP tunnel HTTP requests through calls.
package rpc
