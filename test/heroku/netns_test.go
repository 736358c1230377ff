package heroku_test

import (
	"context"
	"net"
	"runtime"
	"syscall"
	"testing"
)

// namespace is a network namespace: a thread of this process that is in it and does
// what is asked of it there. It has no name and no file, so nothing is left of it
// when its threads, processes and sockets have ended, however the test ends.
type namespace struct {
	thread int
	asked  chan func()
}

// newNamespace makes a namespace in which there is nothing but a loopback interface
// that is down.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{asked: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		n.thread = syscall.Gettid()
		made <- syscall.Unshare(syscall.CLONE_NEWNET)
		for do := range n.asked {
			do()
		}
	}()
	t.Cleanup(func() { close(n.asked) })
	if err := <-made; err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	return n
}

// do runs something on the namespace's thread: sockets that it opens and processes
// that it starts are in the namespace and stay there. One thing is done at a time.
func (n *namespace) do(something func()) {
	done := make(chan struct{})
	n.asked <- func() { defer close(done); something() }
	<-done
}

// dial connects from inside to an address of numbers.
func (n *namespace) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = new(net.Dialer).DialContext(ctx, "tcp", address) })
	return conn, err
}

// listen listens inside, until the test ends.
func (n *namespace) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	n.do(func() { l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address) })
	if err != nil {
		t.Fatalf("listen on %s: %v", address, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
