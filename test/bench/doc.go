// Package bench measures Quadrille on PostgreSQL and RabbitMQ beside what the
// parts can do by themselves, in one run, so that each figure is a ratio.
// make bench runs it.
package bench
