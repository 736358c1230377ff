package testenv

import (
	"testing"
	"time"

	"quadrille/internal/app"
	"quadrille/internal/rest/call"
	"quadrille/internal/testidentity"
)

// PublicAPI is where the public API begins.
func (s *Shop) PublicAPI() string { return s.URL(app.Gateway) + "/api/v1" }

// Public is the same shop as it is from outside: its clients go through the gateway
// and may do everything. Copies and allocations are not to be had there.
func (s *Shop) Public(t testing.TB) *Shop {
	t.Helper()
	hc := call.New(call.Config{Timeout: time.Minute})
	t.Cleanup(hc.CloseIdleConnections)
	hc.Transport = testidentity.Transport{RoundTripper: hc.Transport}
	return connect(t, s.app, hc, func(service string) string {
		if service == "stats" {
			return s.PublicAPI() + "/stats"
		}
		return s.PublicAPI()
	})
}
