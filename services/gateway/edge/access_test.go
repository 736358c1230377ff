package edge

import (
	"strings"
	"testing"
)

// The log has one line for each request, and nothing in it that is secret.
func TestOneLineForEachRequest(t *testing.T) {
	d := opened(t, overHTTP, Config{}, (&notes{}).playAll())
	d.ask("GET", prefix+"/orders/o-1?customer=s3cret", "", append(as("staff"), "X-Request-Id", "r-1")...)
	d.ask("GET", prefix+"/nothing", "", "Authorization", "", "X-Request-Id", "r-2")
	d.ask("GET", "/healthz", "", "X-Request-Id", "r-3")
	d.ask("GET", "/ui/x.js", "", "X-Request-Id", "r-4")
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("the log is\n%s", d.log)
	}
	for i, want := range [][]string{
		{"level=INFO", "method=GET", "path=/api/v1/orders/*", "status=200", "ms=", "bytes=0", "caller=key:key-2", "request_id=r-1"},
		{"level=INFO", "path=/api/v1/*", "status=404", `caller=""`, "request_id=r-2"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("%s is missing in %s", part, lines[i])
			}
		}
	}
	if said := d.log.String(); strings.Contains(said, "s3cret") || strings.Contains(said, "Bearer") {
		t.Errorf("a secret is told: %s", said)
	}
}
