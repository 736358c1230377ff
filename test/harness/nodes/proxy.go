package nodes

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server and does to their connections what
// networks do. Its methods are safe for concurrent use.
type Proxy struct {
	target string
	listen net.Listener

	mu    sync.Mutex
	cut   bool
	delay time.Duration
	conns map[*proxied]struct{}
}

// proxied is one connection.
type proxied struct {
	client, server *net.TCPConn

	mu   sync.Mutex
	hung bool  // what comes is taken and dropped
	left int64 // bytes of the server until the connection is reset; no end where negative
}

// NewProxy listens on a free port of this machine for clients of target.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listen: l, conns: map[*proxied]struct{}{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		serving.Wait()
	})
	return p
}

// Address returns the address that clients connect to.
func (p *Proxy) Address() string { return p.listen.Addr().String() }

// Cut resets every connection and takes no new one, until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		c.reset()
	}
}

// Point has new connections go to another server. Those that there are stay where
// they are, as after a name that moved.
func (p *Proxy) Point(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Mend takes connections again, and passes on at once. Connections that hung have
// lost what was said meanwhile and go on hanging, as after a router that was
// replaced.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
}

// Delay holds every piece back for d, in both directions, until Mend.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Hang makes every connection that there is half-open: both sides may send, and
// nobody hears.
func (p *Proxy) Hang() {
	p.each(func(c *proxied) { c.hung = true })
}

// ResetAfter resets each connection that there is in the middle of what the server
// says, after n more bytes of it.
func (p *Proxy) ResetAfter(n int64) {
	p.each(func(c *proxied) { c.left = n })
}

func (p *Proxy) each(do func(*proxied)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.mu.Lock()
		do(c)
		c.mu.Unlock()
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &proxied{client: client, server: conn.(*net.TCPConn), left: -1}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	if p.cut {
		c.reset()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, c.server, c.client, false) })
	both.Go(func() { p.pass(c, c.client, c.server, true) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

var errReset = errors.New("reset")

// pass hands on what comes, until one side ends; then both do.
func (p *Proxy) pass(c *proxied, to, from *net.TCPConn, fromServer bool) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		time.Sleep(delay)
		if n > 0 {
			if writeErr := c.write(to, piece[:n], fromServer); writeErr != nil {
				err = writeErr
			}
		}
		switch {
		case errors.Is(err, errReset):
			c.reset()
			return
		case errors.Is(err, io.EOF) || err != nil:
			_, _ = c.client.Close(), c.server.Close()
			return
		}
	}
}

// write hands a piece on, as far as the fault allows. It does not hold the lock
// while the other side is slow to take it.
func (c *proxied) write(to io.Writer, piece []byte, fromServer bool) error {
	c.mu.Lock()
	ends := false
	switch {
	case c.hung:
		piece = nil
	case fromServer && c.left >= 0:
		piece = piece[:min(int64(len(piece)), c.left)]
		c.left -= int64(len(piece))
		ends = c.left == 0
	}
	c.mu.Unlock()
	if len(piece) > 0 {
		if _, err := to.Write(piece); err != nil {
			return err
		}
	}
	if ends {
		return errReset
	}
	return nil
}

// reset ends both sides without a goodbye.
func (c *proxied) reset() {
	for _, side := range []*net.TCPConn{c.client, c.server} {
		_ = side.SetLinger(0) // the close says whether it is closed already
		_ = side.Close()
	}
}
