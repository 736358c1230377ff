// Package bus is the log that the services tell each other their events by:
// one stream per publisher, which is never emptied by reading.
//
// Bus is the small interface that its two drivers, RabbitMQ (rabbitmq.go) and
// an embedded SQLite file (embedded.go), both keep; package bustest is their
// common conformance suite. Reader (reader.go) takes a subscriber through a
// stream from the position it keeps in its own database, moved in the same
// transaction as the effect, so that each event takes effect once whatever
// crashes.
package bus
