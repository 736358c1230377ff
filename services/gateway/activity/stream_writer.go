package activity

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// errStalled ends a stream whose client does not read.
var errStalled = errors.New("the client does not read")

// streamWriter writes to one client, with a timeout for each write. The hub may cut it
// off during a write.
type streamWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration // for one write

	mu     sync.Mutex
	since  time.Time // start of the current write; zero: there is none
	closed bool      // it was cut off, or the response has ended
}

func newStreamWriter(w http.ResponseWriter, within time.Duration) *streamWriter {
	return &streamWriter{w: w, rc: http.NewResponseController(w), timeout: within}
}

// write writes all parts and flushes. After an error the stream cannot be used.
func (p *streamWriter) write(parts ...[]byte) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	for _, part := range parts {
		if _, err := p.w.Write(part); err != nil {
			return err
		}
	}
	return p.rc.Flush()
}

func (p *streamWriter) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errStalled
	}
	p.since = time.Now()
	return p.rc.SetWriteDeadline(p.since.Add(p.timeout))
}

func (p *streamWriter) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
}

// cutIfStalled fails a write that hangs for longer than stallTimeout. It does not
// affect a client that reads, however fast activity arrives.
func (p *streamWriter) cutIfStalled(now time.Time, stallTimeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.since.IsZero() || now.Sub(p.since) < stallTimeout {
		return
	}
	p.closed = true
	_ = p.rc.SetWriteDeadline(now) // fails the current write
}

// close returns the connection to the server. The writer does not touch it afterwards.
func (p *streamWriter) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		_ = p.rc.SetWriteDeadline(time.Time{}) // the next request of this connection sets its own
	}
	p.closed = true
}
