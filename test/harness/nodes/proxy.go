package nodes

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server and causes the faults of networks. Its methods
// are safe for concurrent use.
type Proxy struct {
	target string
	listen net.Listener
	frames bool // the server's bytes are passed on in whole AMQP frames

	mu    sync.Mutex
	cut   bool
	delay time.Duration
	conns map[*proxied]struct{}
}

// proxied is one connection.
type proxied struct {
	client, server *net.TCPConn

	writing sync.Mutex // held while bytes are written to the client

	mu   sync.Mutex
	hung bool  // bytes are read and dropped
	left int64 // bytes of the server until the connection is reset; unlimited if negative
}

// NewProxy listens on a free port of this machine for clients of target.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return listen(t, target, false)
}

// NewAMQPProxy returns a proxy for clients of an AMQP server, with Inject.
func NewAMQPProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return listen(t, target, true)
}

func listen(t testing.TB, target string, frames bool) *Proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listen: l, frames: frames, conns: map[*proxied]struct{}{}}
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

// Inject writes an AMQP frame to every client, between two frames of the server.
func (p *Proxy) Inject(t testing.TB, frame []byte) {
	t.Helper()
	if !p.frames {
		t.Fatal("this proxy does not know where a frame ends: use NewAMQPProxy")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.writing.Lock()
		_, err := c.client.Write(frame)
		c.writing.Unlock()
		if err != nil {
			t.Error(err)
		}
	}
}

// Cut resets every connection and accepts no new one, until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		c.reset()
	}
}

// Point sends new connections to another server. Existing connections stay, as after a
// change of a DNS record.
func (p *Proxy) Point(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Mend accepts connections again and ends the delay. Half-open connections lost their bytes
// and stay half-open, as after the replacement of a router.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
}

// Delay delays every piece by d, in both directions, until Mend.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Hang makes every existing connection half-open: both sides may send, and receive
// nothing.
func (p *Proxy) Hang() {
	p.each(func(c *proxied) { c.hung = true })
}

// ResetAfter resets each existing connection after n more bytes of the server.
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

// pass copies from one side to the other until one of them ends, and closes both.
func (p *Proxy) pass(c *proxied, to, from *net.TCPConn, fromServer bool) {
	read := pieces
	if p.frames && fromServer {
		read = frames
	}
	next := read(from)
	for {
		piece, err := next()
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		time.Sleep(delay)
		if len(piece) > 0 {
			if writeErr := c.write(to, piece, fromServer); writeErr != nil {
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

// pieces returns a function that reads the bytes that are there.
func pieces(from io.Reader) func() ([]byte, error) {
	buffer := make([]byte, 32<<10)
	return func() ([]byte, error) {
		n, err := from.Read(buffer)
		return buffer[:n], err
	}
}

// frames returns a function that reads one AMQP frame.
func frames(from io.Reader) func() ([]byte, error) {
	const header, end = 7, 1 // type, channel and size; and the mark of the end
	return func() ([]byte, error) {
		var start [header]byte
		if n, err := io.ReadFull(from, start[:]); err != nil {
			return start[:n], err
		}
		frame := make([]byte, header+int(binary.BigEndian.Uint32(start[3:]))+end)
		copy(frame, start[:])
		n, err := io.ReadFull(from, frame[header:])
		return frame[:header+n], err
	}
}

// write passes a piece on, as far as the fault allows. It does not hold c.mu while the
// other side is slow to read.
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
		if fromServer {
			c.writing.Lock()
			defer c.writing.Unlock()
		}
		if _, err := to.Write(piece); err != nil {
			return err
		}
	}
	if ends {
		return errReset
	}
	return nil
}

// reset closes both sides with RST.
func (c *proxied) reset() {
	for _, side := range []*net.TCPConn{c.client, c.server} {
		_ = side.SetLinger(0) // Close reports a connection that is closed already
		_ = side.Close()
	}
}
