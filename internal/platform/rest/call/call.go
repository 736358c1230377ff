// Package call is the HTTP client with which services call each other back.
package call

import (
	"net"
	"net/http"
	"time"

	"quadrille/pkg/events"
)

// Config configures a client.
type Config struct {
	Token   string                       // bearer token; none if ""
	Timeout time.Duration                // of one call, including the response; 0 means 10 s
	Schemes map[string]http.RoundTripper // transports for URL schemes other than http and https
}

// New returns a client. It sends the correlation ID and trace context in the request's
// context with each call.
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

// Headers with the cause of a call.
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

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (a *annotate) CloseIdleConnections() {
	if t, ok := a.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}
