package bustest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between clients and a server, to cut them off, and to say things
// to the clients that the server did not.
type Proxy struct {
	target string
	listen net.Listener

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]*sync.Mutex // the clients' side, each with its writing turn
}

// NewProxy listens on a free port of this machine for clients of target.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listen: l, conns: map[net.Conn]*sync.Mutex{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
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

// Cut breaks every connection and takes no new one, until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// Mend takes connections again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Say writes bytes to every client, between whatever the server sends.
func (p *Proxy) Say(t testing.TB, bytes []byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, turn := range p.conns {
		turn.Lock()
		_, err := c.Write(bytes)
		turn.Unlock()
		if err != nil {
			t.Error(err)
		}
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	turn := &sync.Mutex{}
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		return
	}
	p.conns[client] = turn
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
	}()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_ = copyFrames(client, server, turn)
}

// copyFrames passes AMQP frames on whole, so that Say never lands inside one.
func copyFrames(to io.Writer, from io.Reader, turn *sync.Mutex) error {
	header := make([]byte, 7) // type, channel, size
	for {
		if _, err := io.ReadFull(from, header); err != nil {
			return err
		}
		size := int(header[3])<<24 | int(header[4])<<16 | int(header[5])<<8 | int(header[6])
		frame := append(append(make([]byte, 0, 8+size), header...), make([]byte, size+1)...)
		if _, err := io.ReadFull(from, frame[7:]); err != nil {
			return err
		}
		turn.Lock()
		_, err := to.Write(frame)
		turn.Unlock()
		if err != nil {
			return err
		}
	}
}
