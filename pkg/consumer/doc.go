// Package consumer takes a service through another one's stream of events.
//
// A Consumer keeps its position in the service's own database and moves it in the
// transaction that writes the effect of a batch, so each event takes effect once, whatever
// crashes. An event that fails for its own sake becomes a dead letter. A stream whose
// history was cut or replaced is resynchronised from the owner's lists.
package consumer
