package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
	"quadrille/pkg/rpc"
)

// failureKey is the context key of the proxy's error.
type failureKey struct{}

// newProxy returns a handler that forwards requests to the service of a route.
func (s *Server) newProxy(r route) (echo.HandlerFunc, error) {
	transport, address := s.cfg.Upstreams.to(r.service)
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("URL of %s: %w", r.service, err)
	}
	proxy := &httputil.ReverseProxy{
		Transport:      transport,
		Rewrite:        func(p *httputil.ProxyRequest) { rewrite(p, base, r) },
		ModifyResponse: func(response *http.Response) error { return s.publicResponse(response, r) },
		ErrorHandler: func(_ http.ResponseWriter, request *http.Request, err error) {
			if failure, ok := request.Context().Value(failureKey{}).(*error); ok {
				*failure = err
			}
		},
		ErrorLog: log.New(&proxyLog{s.cfg.Log}, "", 0),
	}
	return func(c echo.Context) error {
		var failed error
		request := c.Request().WithContext(context.WithValue(c.Request().Context(), failureKey{}, &failed))
		body := trackBody(request)
		proxy.ServeHTTP(finalResponse{c.Response(), http.Header{}}, request)
		ended := context.Cause(c.Request().Context())
		switch {
		case failed == nil:
			return nil
		case body.failure() != nil: // ends the request's context, too
			return body.failure()
		case errors.Is(ended, rest.ErrStopping):
			return rest.Draining()
		case errors.Is(ended, context.Canceled):
			return c.NoContent(statusClientGone)
		default:
			s.cfg.Log.Warn("service did not respond", "to", r.service, "method", request.Method, "error", failed)
			return unavailable(r.service, request.Method, errors.Join(failed, ended))
		}
	}, nil
}

// statusClientGone is the status logged for a caller that disconnected before the
// response (like nginx).
const statusClientGone = 499

// rewrite converts a public request to one for the service. Credentials and addresses
// of the caller are not forwarded.
func rewrite(p *httputil.ProxyRequest, base *url.URL, r route) {
	p.Out.URL.Scheme, p.Out.URL.Host = base.Scheme, base.Host
	p.Out.URL.Path = strings.TrimSuffix(base.Path, "/") + r.toService(p.In.URL.Path)
	p.Out.URL.RawPath = ""
	if p.In.URL.RawPath != "" {
		p.Out.URL.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + r.toService(p.In.URL.EscapedPath())
	}
	p.Out.URL.RawQuery = p.In.URL.RawQuery // not cleaned: the service refuses a malformed query
	p.Out.Host = ""
	p.Out.Header = requestHeaders(p.In.Header, p.In.Method)
}

var (
	errTokenRefused = errors.New("the service refuses the gateway's INTERNAL_TOKEN: set the same token for all processes")
	errMisdirected  = errors.New("the service does not accept the host name in its URL: add the name to its ALLOWED_HOSTS")
)

// publicResponse converts the service's response to a public one. It returns an error if
// the caller must not see the response: the service refused the gateway itself, or the
// response is invalid.
func (s *Server) publicResponse(response *http.Response, r route) error {
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return errTokenRefused
	case response.StatusCode == http.StatusMisdirectedRequest:
		return errMisdirected
	case response.StatusCode < http.StatusOK || response.StatusCode > 599:
		return fmt.Errorf("invalid status %d in the response", response.StatusCode)
	}
	if err := checkBegun(response); err != nil {
		return err
	}
	if location := response.Header.Get("Location"); location != "" {
		response.Header.Set("Location", s.routes.toPublic(r, location))
	}
	links := response.Header.Values("Link")
	for i, link := range links {
		links[i] = s.routes.publicLinks(r, link)
	}
	return nil
}

// checkBegun reads the first 4 KiB of the response's body, so that a response that ends
// early there gives an error instead of half a response.
func checkBegun(response *http.Response) error {
	const first = 4 << 10
	body := bufio.NewReaderSize(response.Body, first)
	if _, err := body.Peek(first); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the response ended early: %w", err)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{body, response.Body}
	return nil
}

// unavailable returns the fault (Unavailable) for a request without a response. It has
// the code timeout if the request may have been processed or may be later: after a
// timeout, and for a POST that may have been sent, which a queue delivers when the
// service is back. Otherwise the code is service_away.
func unavailable(service, method string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || method == http.MethodPost && !wasNotSent(err) {
		return fault.New(fault.Unavailable, "timeout", "%s did not respond in time and may have processed the request: repeat it with the same Idempotency-Key or external_id", service)
	}
	return fault.New(fault.Unavailable, "service_away", "%s is unavailable; other services may respond", service)
}

// wasNotSent reports whether the service has not processed the request and will not: it
// was not sent, or refused before processing.
func wasNotSent(err error) bool {
	var op *net.OpError
	return errors.Is(err, rpc.ErrNotSent) || errors.Is(err, errTokenRefused) || errors.Is(err, errMisdirected) || errors.As(err, &op) && op.Op == "dial"
}

// proxyLog writes the proxy's messages to the log.
type proxyLog struct{ log *slog.Logger }

func (l *proxyLog) Write(p []byte) (int, error) {
	l.log.Debug("proxy", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}
