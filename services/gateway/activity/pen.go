package activity

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// errCut: the client did not read.
var errCut = errors.New("the client does not read")

// pen writes to one client, within a time for each write. The hub may cut it off
// while it writes.
type pen struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	within time.Duration // for one write

	mu    sync.Mutex
	since time.Time // when the write that is under way began; zero: none is
	done  bool      // it was cut, or the answer is over
}

func newPen(w http.ResponseWriter, within time.Duration) *pen {
	return &pen{w: w, rc: http.NewResponseController(w), within: within}
}

// write writes and flushes. After an error the stream is of no more use.
func (p *pen) write(parts ...[]byte) error {
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

func (p *pen) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return errCut
	}
	p.since = time.Now()
	return p.rc.SetWriteDeadline(p.since.Add(p.within))
}

func (p *pen) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
}

// cutIfStuck ends the write that is under way for longer than patience. A client
// that reads, however fast the news come, is not met by this.
func (p *pen) cutIfStuck(now time.Time, patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || p.since.IsZero() || now.Sub(p.since) < patience {
		return
	}
	p.done = true
	_ = p.rc.SetWriteDeadline(now) // the write fails with it
}

// close gives the answer back to the server; the pen touches it no more.
func (p *pen) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		_ = p.rc.SetWriteDeadline(time.Time{}) // what is next on this connection has its own
	}
	p.done = true
}
