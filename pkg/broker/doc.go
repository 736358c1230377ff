// Package broker keeps connections to RabbitMQ: it dials the nodes of a list in
// turn, for ever, and says what is wrong meanwhile. The event log and the RPC
// transport are built on it.
package broker
