// Package live is the gateway's own notes of what happens in the shop, and those
// who watch them: browsers by server-sent events, operators by traces and charts.
//
// The way of one event to a browser: consume.go (asks sales whose the order is),
// store.go (appends it under the next number, in the reader's transaction), tail.go
// (every instance reads on by number), hub_push.go (who is it for?), hub_take.go,
// stream.go, pen.go. A client that comes back names the number it saw last; what
// the ring has no more is read from the table, once for all who want it, by pages.go.
// Who may see what is see.go alone; which notes these are is origin.go.
//
// It is plugged into the gateway so: the instance that holds the lease runs Readers
// and Workers; every instance runs Run, and calls Drain when its server begins to
// shut down (http.Server.RegisterOnShutdown), because a server waits for its
// requests and a stream does not end by itself. Events must be reached around
// whatever bounds a request's time.
package activity
