package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// progress shows a bar with rate and time left on a terminal, and a line now and
// then elsewhere.
type progress struct {
	out     io.Writer
	what    string
	bar     *progressbar.ProgressBar // nil where there is no terminal
	started time.Time

	mu     sync.Mutex
	done   int
	total  int
	told   time.Time
	waited time.Time
}

// tellEvery is how often a line tells how far it is.
const tellEvery = 5 * time.Second

func newProgress(out io.Writer, what string, total int) *progress {
	p := &progress{out: out, what: what, total: total, started: time.Now(), told: time.Now()}
	if file, ok := out.(*os.File); ok && isatty.IsTerminal(file.Fd()) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true), progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(p.done + 1)
}

// set says how much is done of all.
func (p *progress) set(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(min(max(done, 0), p.total))
}

func (p *progress) tell(done int) {
	p.done = done
	if p.bar != nil {
		_ = p.bar.Set(done) // a bar that cannot be drawn stops nothing
		return
	}
	if time.Since(p.told) < tellEvery {
		return
	}
	p.told = time.Now()
	fmt.Fprintf(p.out, "%d of %d %s%s\n", done, p.total, p.what, p.pace())
}

// pace returns the rate so far, and the time that the rest takes at that rate.
func (p *progress) pace() string {
	rate := float64(p.done) / time.Since(p.started).Seconds()
	if rate < 1 {
		return ""
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
	return fmt.Sprintf(", %.0f/s, %s left", rate, left.Round(time.Second))
}

// waiting tells what does not go on, every few seconds at most.
func (p *progress) waiting(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.waited) > tellEvery {
		p.waited = time.Now()
		fmt.Fprintf(p.out, "\nwaiting: %v\n", err)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // likewise
	}
}
