package activity

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// errStalled: the client did not read.
var errStalled = errors.New("the client does not read")

// pen writes to one client, within a time for each write. The hub may cut it off
// while it writes.
type streamWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration // for one write

	mu     sync.Mutex
	since  time.Time // when the write that is under way began; zero: none is
	closed bool      // it was cut, or the answer is over
}

func newStreamWriter(w http.ResponseWriter, within time.Duration) *streamWriter {
	return &streamWriter{w: w, rc: http.NewResponseController(w), timeout: within}
}

// write writes and flushes. After an error the stream is of no more use.
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

// cutIfStalled ends the write that is under way for longer than patience. A client
// that reads, however fast the news come, is not met by this.
func (p *streamWriter) cutIfStalled(now time.Time, patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.since.IsZero() || now.Sub(p.since) < patience {
		return
	}
	p.closed = true
	_ = p.rc.SetWriteDeadline(now) // the write fails with it
}

// close gives the answer back to the server; the pen touches it no more.
func (p *streamWriter) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		_ = p.rc.SetWriteDeadline(time.Time{}) // what is next on this connection has its own
	}
	p.closed = true
}
