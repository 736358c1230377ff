// Package outbox carries what a service says from its database into the log, so
// that a change and the news of it cannot part: Append writes the event in the
// transaction of the change (the transactional outbox pattern), the Relay
// publishes it after the commit, and Feed reads it back.
package outbox
