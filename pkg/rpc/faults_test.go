package rpc_test

import (
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quadrille/pkg/rpc"
	"quadrille/test/harness/long"
	"quadrille/test/harness/nodes"
)

// node is a server of the tests' own, which they may kill.
type node interface {
	URL() string
	Address() string
	Kill() error
	Stop() error
	Start() error
}

// broken is a transport over a node of the test's own, by way of a proxy.
type broken struct {
	driver

	node  node
	proxy *nodes.Proxy
}

// overNodes returns the transports that use a server in between.
func overNodes(t *testing.T) map[string]func(t *testing.T) broken {
	t.Helper()
	return map[string]func(t *testing.T) broken{
		"rabbitmq": func(t *testing.T) broken {
			n := nodes.RabbitMQ(t)
			p := nodes.NewProxy(t, n.Address())
			return broken{overRabbitMQ(t, through(t, p, n)), n, p}
		},
		"redis": func(t *testing.T) broken {
			n := nodes.Redis(t)
			p := nodes.NewProxy(t, n.Address())
			return broken{overRedis(t, through(t, p, n), false), n, p}
		},
	}
}

// through returns the URL of a node with the proxy's address.
func through(t *testing.T, p *nodes.Proxy, n node) string {
	t.Helper()
	u, err := url.Parse(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Address()
	return u.String()
}

// The faults happen one after the other on one node. One client and one server live
// through all of them. The short form has the first and the last fault.
func TestFaults(t *testing.T) {
	for name, open := range overNodes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			end := b.serve(t, newAdder().Server)
			c := b.dial(t)
			type fault struct {
				name string
				of   func(t *testing.T, b broken)
			}
			faults := []fault{
				{"killed", func(t *testing.T, b broken) { restart(t, b.node, b.node.Kill) }},
				{"stopped", func(t *testing.T, b broken) { restart(t, b.node, b.node.Stop) }},
				{"cut off", func(_ *testing.T, b broken) {
					b.proxy.Cut()
					time.Sleep(500 * time.Millisecond)
					b.proxy.Mend()
				}},
				{"cut off within a message", func(_ *testing.T, b broken) { b.proxy.ResetAfter(1000) }},
				{"half-open", func(_ *testing.T, b broken) { b.proxy.Hang() }},
			}
			for _, fault := range long.Pick([]fault{faults[0], faults[len(faults)-1]}, faults) {
				if !t.Run(fault.name, func(t *testing.T) { underFault(t, b, c, fault.of) }) {
					return
				}
			}
			endsOnAHang(t, b, c, end)
		})
	}
}

// endsOnAHang: what is half-open holds nobody who wants to end.
func endsOnAHang(t *testing.T, b broken, c *rpc.Client, end func(dies bool)) {
	t.Helper()
	b.proxy.Hang()
	add(t, c, 500*time.Millisecond, 0)
	began := time.Now()
	_ = c.Close() // it may say that the connection hangs
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a client was closed after %s", took)
	}
	began = time.Now()
	end(false)
	if took := time.Since(began); took > 9*time.Second { // a platform waits for ten
		t.Errorf("a server ended after %s", took)
	}
}

func restart(t *testing.T, n node, end func() error) {
	t.Helper()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
}

// underFault has something happen while 500 call all the time: each call is answered
// rightly or fails clearly by its deadline, and afterwards all are answered again.
func underFault(t *testing.T, b broken, c *rpc.Client, happen func(*testing.T, broken)) {
	const callers = 500
	var answered, not atomic.Int64
	over := make(chan struct{})
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond): // the machine is no part of the test
				}
				if add(t, c, 3*time.Second, 0) {
					answered.Add(1)
				} else {
					not.Add(1)
				}
			}
		})
	}
	await(t, "calls are answered", func() bool { return answered.Load() > 2*callers })
	happen(t, b)
	healed := time.Now()
	close(over)
	calling.Wait()
	t.Logf("%d answered, %d not", answered.Load(), not.Load())
	await(t, "calls are answered again, ten in a row", func() bool {
		for range 10 {
			if !add(t, c, time.Second, 0) {
				return false
			}
		}
		return true
	})
	t.Logf("answered again after %s", time.Since(healed).Round(100*time.Millisecond))
}

// await tries until it is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if t.Failed() || time.Now().After(deadline) {
			t.Fatalf("it does not come to it that %s", what)
		}
	}
}
