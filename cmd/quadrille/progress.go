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

// progress shows a bar with rate and remaining time on a terminal. On any other output it
// prints a line every few seconds. It is safe for concurrent use, except end.
type progress struct {
	out     io.Writer
	what    string
	bar     *progressbar.ProgressBar // nil if out is not a terminal
	started time.Time

	mu      sync.Mutex
	done    int
	total   int
	printed time.Time // when the last line with progress was printed
	waited  time.Time // when the last line with a reason to wait was printed
}

// printEvery limits the lines: one per this time.
const printEvery = 5 * time.Second

func newProgress(out io.Writer, what string, total int) *progress {
	p := &progress{out: out, what: what, total: total, started: time.Now(), printed: time.Now()}
	if file, ok := out.(*os.File); ok && isatty.IsTerminal(file.Fd()) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true), progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(p.done + 1)
}

// set sets the number of items done, limited to 0 … total.
func (p *progress) set(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(min(max(done, 0), p.total))
}

// show sets done and updates the output. The caller holds the lock.
func (p *progress) show(done int) {
	p.done = done
	if p.bar != nil {
		_ = p.bar.Set(done) // the work continues without the bar
		return
	}
	if time.Since(p.printed) < printEvery {
		return
	}
	p.printed = time.Now()
	fmt.Fprintf(p.out, "%d of %d %s%s\n", done, p.total, p.what, p.pace())
}

// pace returns the rate so far and the remaining time at that rate. It returns an empty
// string below one item a second.
func (p *progress) pace() string {
	rate := float64(p.done) / time.Since(p.started).Seconds()
	if rate < 1 {
		return ""
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
	return fmt.Sprintf(", %.0f/s, %s left", rate, left.Round(time.Second))
}

// waiting prints err as the reason for no progress, at most every few seconds.
func (p *progress) waiting(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.waited) > printEvery {
		p.waited = time.Now()
		fmt.Fprintf(p.out, "\nwaiting: %v\n", err)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // as in show
	}
}
