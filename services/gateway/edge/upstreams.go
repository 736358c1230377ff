package edge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/services/gateway/activity"
)

// UpstreamsConfig configures Upstreams. HTTP and URL are required.
type UpstreamsConfig struct {
	HTTP *http.Client
	URL  func(service string) string
	// Services names the services behind the gateway.
	Services []string
	// InternalToken authenticates requests to the gateway's own internal API.
	InternalToken string
}

// Upstreams reaches the services behind the gateway, and the gateway itself as a
// service. It is safe for concurrent use.
type Upstreams struct {
	cfg  UpstreamsConfig
	self atomic.Pointer[http.Handler]
}

// NewUpstreams creates an Upstreams. Requests to the gateway itself fail until
// Server.Handler is called.
func NewUpstreams(cfg UpstreamsConfig) *Upstreams { return &Upstreams{cfg: cfg} }

func (u *Upstreams) setSelf(internal http.Handler) { u.self.Store(&internal) }

// names returns the names of all services, the gateway first.
func (u *Upstreams) names() []string { return append([]string{app.Gateway}, u.cfg.Services...) }

// to returns the transport and the base URL of a service.
func (u *Upstreams) to(service string) (transport http.RoundTripper, base string) {
	if service == app.Gateway {
		return inProcess{u}, "http://" + app.Gateway
	}
	return u.cfg.HTTP.Transport, u.cfg.URL(service)
}

// ops returns a client of the operations endpoints, which every service has.
func (u *Upstreams) ops(service string) *ops.Client {
	transport, base := u.to(service)
	return ops.New(strings.TrimSuffix(base, "/"), &http.Client{Transport: transport})
}

// Lags returns the lags of the readers of all services. It queries the services
// concurrently and omits those that do not respond within stateTimeout.
func (u *Upstreams) Lags(ctx context.Context) []activity.Lag {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	names := u.names()
	found := make([][]activity.Lag, len(names))
	var requests sync.WaitGroup
	for i, name := range names {
		requests.Go(func() { found[i] = fetchLags(ctx, u.ops(name)) })
	}
	requests.Wait()
	return slices.Concat(found...)
}

func fetchLags(ctx context.Context, c *ops.Client) (all []activity.Lag) {
	found, err := c.Subscriptions(ctx)
	if err != nil {
		return nil
	}
	for _, s := range found.Items {
		all = append(all, activity.Lag{Subscriber: s.Subscriber, Stream: s.Stream, Lag: s.Lag})
	}
	return all
}

// inProcess is a transport that calls the gateway's own internal API directly: its public
// side would treat the request as the caller's, or as anonymous.
type inProcess struct{ upstreams *Upstreams }

var errStarting = errors.New("the gateway is starting: its own endpoints are not ready yet")

// RoundTrip implements http.RoundTripper. It buffers the response, which is small: the
// internal API responds from memory and the database, a page at a time.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close() //nolint:errcheck // it was read
	}
	self := p.upstreams.self.Load()
	if self == nil {
		return nil, errStarting
	}
	request := r.Clone(r.Context())
	if request.Body == nil {
		request.Body = http.NoBody
	}
	request.RequestURI = request.URL.RequestURI()
	request.Header.Del("Authorization")
	if token := p.upstreams.cfg.InternalToken; token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	recorded := httptest.NewRecorder()
	(*self).ServeHTTP(recorded, request)
	response := recorded.Result()
	response.Request = r
	return response, nil
}
