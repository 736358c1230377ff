// Package activity records the events of all services and shows them: to browsers as
// server-sent events, to operators as traces and charts.
//
// The way of one event to a browser: consume.go asks sales for the order's customer;
// store.go appends the activity under the next number, in the consumer's transaction;
// tail.go reads on by number, in every instance; hub.go dispatches to the streams that
// may see it; stream.go and stream_writer.go send it. A client that reconnects names the
// number it saw last. What the ring no longer holds is read from the table by pages.go,
// once for all streams that want it. access.go alone decides which callers may see an activity;
// origin.go identifies the recording.
//
// The instance that holds the lease runs Consumers and Workers. Every instance runs Run,
// and calls Drain when its server begins to shut down (http.Server.RegisterOnShutdown):
// a server waits for its requests, and a stream does not end by itself. Events must not
// pass middleware that bounds a request's time.
package activity
