package edge

import (
	"errors"
	"net/http"
	"testing"

	"quadrille/internal/platform/app"
)

// The lag sampler may run before the server has its handler.
func TestUpstreamsBeforeTheServerStarts(t *testing.T) {
	t.Parallel()
	_, url := overHTTP(t, nil)
	u := NewUpstreams(UpstreamsConfig{HTTP: &http.Client{}, URL: url})
	if _, err := u.ops(app.Gateway).Subscriptions(t.Context()); !errors.Is(err, errStarting) {
		t.Errorf("the gateway's subscriptions give %v, want %v", err, errStarting)
	}
	if lags := u.Lags(t.Context()); len(lags) != 0 {
		t.Errorf("lags are %v, want none", lags)
	}
}
