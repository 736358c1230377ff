package browser_test

import (
	"fmt"
	"testing"
	"time"
)

// A browser keeps pages that were left, to go back to them, and has few connections
// to a host: a page that keeps its live news open while it is kept would take them
// from the pages that follow.
func TestAPageThatWasLeftLetsGo(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 1)
	b := open(t, s.base(), "/")
	for n := range 12 {
		began := time.Now()
		b.visit(fmt.Sprintf("/?q=%d", n))
		b.sees("No products found")
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("page %d came after %s", n, took)
		}
	}
	b.visit("/")
	b.sees("Only 1 left")
	b.until(`(dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })), true)`)
	s.receive("more", "VASE", 2)
	b.until(`(dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })), true)`)
	b.sees("Only 3 left") // what happened meanwhile
}
