package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/app"
	"quadrille/pkg/fault"
)

// requestTimeout is below the 30 s after which Heroku's router gives up, so that
// the caller is told by us.
const requestTimeout = 25 * time.Second

// failure is why a request got no answer, on its way to echo's error handler.
type failureKey struct{}

// newProxy forwards requests to the service of a route.
func newProxy(d app.Deps, r route) (echo.HandlerFunc, error) {
	base, err := url.Parse(d.URL(r.service))
	if err != nil {
		return nil, fmt.Errorf("URL of %s: %w", r.service, err)
	}
	proxy := &httputil.ReverseProxy{
		Transport:      d.HTTP.Transport,
		Rewrite:        func(p *httputil.ProxyRequest) { rewrite(p, base, r) },
		ModifyResponse: func(answer *http.Response) error { return modify(answer, r) },
		ErrorHandler: func(_ http.ResponseWriter, request *http.Request, err error) {
			if told, ok := request.Context().Value(failureKey{}).(*error); ok {
				*told = err
			}
		},
		ErrorLog: log.New(&lines{d.Log}, "", 0),
	}
	return func(c echo.Context) error {
		var failed error
		request := c.Request().WithContext(context.WithValue(c.Request().Context(), failureKey{}, &failed))
		proxy.ServeHTTP(c.Response(), request)
		if failed == nil {
			return nil
		}
		d.Log.Warn("a service gave no answer", "to", r.service, "method", request.Method, "error", failed)
		return away(r.service, failed)
	}, nil
}

// rewrite turns a public request into one of the service. Who calls is not the
// service's business: it trusts the gateway.
func rewrite(p *httputil.ProxyRequest, base *url.URL, r route) {
	p.Out.URL.Scheme, p.Out.URL.Host = base.Scheme, base.Host
	p.Out.URL.Path = strings.TrimSuffix(base.Path, "/") + r.inward(p.In.URL.Path)
	p.Out.URL.RawPath = ""
	if p.In.URL.RawPath != "" {
		p.Out.URL.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + r.inward(p.In.URL.EscapedPath())
	}
	p.Out.Host = ""
	p.Out.Header.Del("Authorization")
	p.Out.Header.Del("Cookie")
}

var errRefused = errors.New("it does not take the gateway's INTERNAL_TOKEN")

// modify turns the service's answer into a public one.
func modify(answer *http.Response, r route) error {
	if answer.StatusCode == http.StatusUnauthorized {
		return errRefused
	}
	if location := answer.Header.Get("Location"); location != "" {
		answer.Header.Set("Location", r.outward(location))
	}
	for i, link := range answer.Header.Values("Link") {
		if rest, bracketed := strings.CutPrefix(link, "<"); bracketed {
			answer.Header.Values("Link")[i] = "<" + r.outward(rest)
		}
	}
	return nil
}

// away is what the caller is told of a request that got no answer.
func away(service string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err // the caller is gone
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Unavailable, "timeout", "%s has not answered in time; what was asked may have been done: ask again with the same Idempotency-Key or external_id", service)
	}
	return fault.New(fault.Unavailable, "service_away", "%s does not answer just now; the rest of the shop may", service)
}

// lines passes what the proxy says on to the log.
type lines struct{ log *slog.Logger }

func (l *lines) Write(p []byte) (int, error) {
	l.log.Debug("proxy", "says", strings.TrimSpace(string(p)))
	return len(p), nil
}
