// Package amqprpc carries JSON-RPC over RabbitMQ: a queue for requests, and direct
// reply-to for replies. docs/rpc.md describes the messages and the guarantees.
package amqprpc
