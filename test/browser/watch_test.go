package browser_test

import (
	"fmt"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// watch records console errors, uncaught exceptions and violations of the content
// security policy, and counts requests and bytes.
type watch struct {
	mu       sync.Mutex
	over     func() bool // the test has ended, and its shop with it
	troubles []string
	requests int
	bytes    float64 // received, headers included
	expected []string
}

// record handles an event of the browser. It must not call the browser, because it runs
// between its messages.
func (w *watch) record(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over() {
		return
	}
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if kind := string(e.Type); kind == "error" || kind == "warning" || kind == "assert" {
			w.troublef("console %s: %s", kind, said(e.Args))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		w.troublef("uncaught: %s", text)
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Source == "security" {
			w.troublef("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		w.requests++
	case *network.EventLoadingFinished:
		w.bytes += e.EncodedDataLength
	}
}

func (w *watch) troublef(format string, args ...any) {
	w.troubles = append(w.troubles, fmt.Sprintf(format, args...))
}

func said(args []*runtime.RemoteObject) string {
	var words []string
	for _, a := range args {
		words = append(words, string(a.Value)+a.Description)
	}
	return strings.Join(words, " ")
}

// expect allows errors that contain the text, because the test causes them.
func (w *watch) expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = append(w.expected, text)
}

// unexpected returns and clears the recorded errors that the test does not expect.
func (w *watch) unexpected() (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
trouble:
	for _, t := range w.troubles {
		for _, e := range w.expected {
			if strings.Contains(t, e) {
				continue trouble
			}
		}
		found = append(found, t)
	}
	w.troubles = nil
	return found
}

// behaved fails the test for each unexpected error.
func (b *tab) behaved() {
	b.t.Helper()
	for _, trouble := range b.unexpected() {
		b.t.Error(trouble)
	}
}
