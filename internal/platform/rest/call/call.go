// Package call is the HTTP client with which services call each other back.
package call

import (
	"net"
	"net/http"
	"time"

	"quadrille/pkg/events"
)

// Config says how calls are made.
type Config struct {
	Token   string        // sent as a bearer token where set
	Timeout time.Duration // of one call, answer included; 10 s where 0
	// Schemes carry what is not HTTP, by the scheme of the URL.
	Schemes map[string]http.RoundTripper
}

// New makes the client. What caused a call goes along with it, from the
// request's context: correlation and trace.
func New(cfg Config) *http.Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
	}
	for scheme, transportOf := range cfg.Schemes {
		transport.RegisterProtocol(scheme, transportOf)
	}
	return &http.Client{Timeout: cfg.Timeout, Transport: &annotate{token: cfg.Token, next: transport}}
}

// Headers that tell why a call is made.
const (
	CorrelationHeader = "X-Correlation-ID"
	TraceHeader       = "Traceparent"
)

type annotate struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a *annotate) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	cause := events.CauseOf(r.Context())
	if cause.CorrelationID != "" {
		r.Header.Set(CorrelationHeader, cause.CorrelationID)
	}
	if cause.TraceParent != "" {
		r.Header.Set(TraceHeader, cause.TraceParent)
	}
	return a.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client close what is idle.
func (a *annotate) CloseIdleConnections() {
	if t, ok := a.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}
