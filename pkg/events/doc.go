// Package events has the CloudEvents 1.0 envelope, and one file per publisher with the
// events that it publishes.
//
// An event is thin: it names what changed (Subject), its version after the change (Version)
// and where to read it (Data.Href). Consumers call back for the state. docs/events.md
// describes the same contract for readers outside Go.
package events
