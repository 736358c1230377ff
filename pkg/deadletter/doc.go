// Package deadletter keeps the events that a subscriber could not handle, in the
// subscriber's own database: what came, why it failed, how often it was tried,
// and what became of it. The reader sets events aside; a person has them retried
// or discards them.
package deadletter
