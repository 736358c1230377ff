package browser_test

import "testing"

// TestTheFirstLoadIsLight bounds the bytes and requests of a first visit.
func TestTheFirstLoadIsLight(t *testing.T) {
	t.Parallel()
	const maxBytes, maxRequests = 150_000, 14
	s := up(t)
	for _, sku := range []string{"A", "B", "C", "D"} {
		s.offer(sku, "Vase "+sku, 0)
	}
	b := open(t, s.base(), "/")
	b.sees("Vase A")
	b.mu.Lock()
	requests, bytes := b.requests, b.bytes
	b.mu.Unlock()
	t.Logf("%d requests, %.0f bytes", requests, bytes)
	if requests == 0 || requests > maxRequests || bytes == 0 || bytes > maxBytes {
		t.Errorf("the shop takes %d requests and %.0f bytes, want at most %d and %d", requests, bytes, maxRequests, maxBytes)
	}
}
