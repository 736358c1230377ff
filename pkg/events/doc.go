// Package events is the language the services dance to: the CloudEvents 1.0
// envelope, and one file per publisher that lists the events it sends.
//
// An event is thin. It says which thing changed (Subject), to which version
// (Version) and where to look (Data.Href); consumers call back for the state.
// docs/events.md is the same contract for readers outside Go.
package events
