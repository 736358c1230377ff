package harness

import (
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/rest/call"
	"quadrille/test/harness/identity"
)

// PublicAPI returns the base URL of the public API.
func (s *Shop) PublicAPI() string { return s.URL(app.Gateway) + "/api/v1" }

// Public returns the same shop with clients that go through the gateway and have every
// role. The gateway does not offer copies and allocations.
func (s *Shop) Public(t testing.TB) *Shop {
	t.Helper()
	hc := call.New(call.Config{Timeout: time.Minute})
	t.Cleanup(hc.CloseIdleConnections)
	hc.Transport = identity.Transport{RoundTripper: hc.Transport}
	return connect(t, s.app, hc, func(service string) string {
		if service == "stats" {
			return s.PublicAPI() + "/stats"
		}
		return s.PublicAPI()
	})
}
