// Package consumer takes a service through another one's stream of events.
//
// A Consumer keeps its position in the service's own database and moves it in the
// transaction that writes the effect of a batch, so each event takes effect once, whatever
// crashes; an effect outside the database is made at least or at most once (NewEffects). An
// event that fails for its own sake becomes a dead letter. If the history of a stream was cut
// or replaced, a converging consumer reads the owner's lists, and any other skips what took
// effect before.
package consumer
