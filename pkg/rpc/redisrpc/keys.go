package redisrpc

// keys names what the servers of a list keep in Redis beside it.
type keys struct{ list string }

// workers returns the set of the registered servers, dead ones included until another
// server has requeued their requests.
func (k keys) workers() string { return k.list + ".workers" }

// alive returns the key that a server's heartbeat renews.
func (k keys) alive(instance string) string { return k.list + ".alive." + instance }

// working returns the list of the requests that a server has taken and not answered.
func (k keys) working(instance string) string { return k.list + ".working." + instance }
