package browser_test

import (
	"fmt"
	"testing"
	"time"
)

// TestACachedPageDisconnects checks that a page closes its event stream when the user
// leaves it. Browsers cache such pages and allow few connections per host, so open
// streams would block later pages.
func TestACachedPageDisconnects(t *testing.T) {
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
	b.sees("Only 3 left") // the change made while it was disconnected
}
