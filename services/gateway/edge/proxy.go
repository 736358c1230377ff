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
	way, at := s.cfg.Upstreams.to(r.service)
	base, err := url.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("URL of %s: %w", r.service, err)
	}
	proxy := &httputil.ReverseProxy{
		Transport:      way,
		Rewrite:        func(p *httputil.ProxyRequest) { rewrite(p, base, r) },
		ModifyResponse: func(answer *http.Response) error { return publicResponse(answer, r) },
		ErrorHandler: func(_ http.ResponseWriter, request *http.Request, err error) {
			if told, ok := request.Context().Value(failureKey{}).(*error); ok {
				*told = err
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

// statusClientGone is logged for a caller that did not wait for the response.
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
	p.Out.URL.RawQuery = p.In.URL.RawQuery // the service refuses what does not parse
	p.Out.Host = ""
	p.Out.Header = requestHeaders(p.In.Header, p.In.Method)
}

var (
	errTokenRefused = errors.New("it does not take the gateway's INTERNAL_TOKEN")
	errMisdirected  = errors.New("it does not go by the name that its URL has: list that in its ALLOWED_HOSTS")
)

// publicResponse converts the service's response to a public one.
func publicResponse(answer *http.Response, r route) error {
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		return errTokenRefused
	case answer.StatusCode == http.StatusMisdirectedRequest:
		return errMisdirected
	case answer.StatusCode < http.StatusOK || answer.StatusCode > 599:
		return fmt.Errorf("it answers with status %d", answer.StatusCode)
	}
	if err := checkBegun(answer); err != nil {
		return err
	}
	if location := answer.Header.Get("Location"); location != "" {
		answer.Header.Set("Location", r.toPublic(location))
	}
	links := answer.Header.Values("Link")
	for i, link := range links {
		links[i] = r.publicLinks(link)
	}
	return nil
}

// checkBegun reads the first 4 KiB of the response's body, so that a response that
// breaks off at once becomes an error instead of half a response.
func checkBegun(answer *http.Response) error {
	const first = 4 << 10
	body := bufio.NewReaderSize(answer.Body, first)
	if _, err := body.Peek(first); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("its answer broke off: %w", err)
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{body, answer.Body}
	return nil
}

// unavailable returns the fault for a request without a response. Unless a POST was
// certainly not sent, it says that the request may have been processed: a queue
// delivers it when the service is back.
func unavailable(service, method string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || method == http.MethodPost && !wasNotSent(err) {
		return fault.New(fault.Unavailable, "timeout", "%s has not answered in time; what was asked may have been done: ask again with the same Idempotency-Key or external_id", service)
	}
	return fault.New(fault.Unavailable, "service_away", "%s does not answer just now; the rest of the shop may", service)
}

// wasNotSent reports whether the service did not process the request and will not: it
// was not sent, or refused before its processing.
func wasNotSent(err error) bool {
	var op *net.OpError
	return errors.Is(err, rpc.ErrNotSent) || errors.Is(err, errTokenRefused) || errors.Is(err, errMisdirected) || errors.As(err, &op) && op.Op == "dial"
}

// proxyLog writes the proxy's messages to the log.
type proxyLog struct{ log *slog.Logger }

func (l *proxyLog) Write(p []byte) (int, error) {
	l.log.Debug("proxy", "says", strings.TrimSpace(string(p)))
	return len(p), nil
}
