package gateway

import (
	"net/http"
	"net/http/httptest"

	"quadrille/internal/app"
)

// inProcess asks what is inside of this very gateway, without a way around by its own
// door: there it would be taken for whoever asks it, or for nobody.
type inProcess struct {
	inside func() http.Handler
	token  string // INTERNAL_TOKEN, which what is inside demands where there is one
}

// RoundTrip is http.RoundTripper's. What is inside answers from memory and its
// database, a page at a time.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close() //nolint:errcheck // it was read
	}
	asked := r.Clone(r.Context())
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	asked.RequestURI = asked.URL.RequestURI()
	asked.Header.Del("Authorization")
	if p.token != "" {
		asked.Header.Set("Authorization", "Bearer "+p.token)
	}
	recorded := httptest.NewRecorder()
	p.inside().ServeHTTP(recorded, asked)
	answer := recorded.Result()
	answer.Request = r
	return answer, nil
}

// wayTo is how a service is asked, and where.
func (f *front) wayTo(service string) (by http.RoundTripper, base string) {
	if service == app.Gateway {
		return inProcess{func() http.Handler { return f.inside }, f.cfg.InternalToken}, "http://" + app.Gateway
	}
	return f.cfg.deps.HTTP.Transport, f.cfg.deps.URL(service)
}
