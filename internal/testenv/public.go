package testenv

import (
	"testing"
	"time"

	"quadrille/internal/app"
	"quadrille/internal/rest/call"
)

// GatewayToken is what the gateway of every shop demands whose configuration names
// no other.
const GatewayToken = "letmein"

// PublicAPI is where the public API begins.
func (s *Shop) PublicAPI() string { return s.URL(app.Gateway) + "/api/v1" }

// Public is the same shop as it is from outside: its clients go through the gateway
// and have its token. Copies and allocations are not to be had there.
func (s *Shop) Public(t testing.TB) *Shop {
	t.Helper()
	hc := call.New(call.Config{Token: GatewayToken, Timeout: time.Minute})
	t.Cleanup(hc.CloseIdleConnections)
	return connect(t, s.app, hc, func(service string) string {
		if service == "stats" {
			return s.PublicAPI() + "/stats"
		}
		return s.PublicAPI()
	})
}
