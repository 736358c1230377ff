package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"quadrille/pkg/fault"
)

// tunnelMethod is the method that tunnels an HTTP request.
const tunnelMethod = "http.request"

// maxBody is the limit for the bodies of tunnelled requests and responses.
const maxBody = 1 << 20

// tunnelRequest has an HTTP request as params. JSON encodes the body in base64.
type tunnelRequest struct {
	Method string      `json:"method"`
	URL    string      `json:"url"` // path and query
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// tunnelResponse has an HTTP response as a result.
type tunnelResponse struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// RoundTripper is an http.RoundTripper that tunnels requests through JSON-RPC calls. It
// passes the host of the URL to a dialer and the rest of the request to the server, which
// answers it with the handler given to ServeHTTP. The deadline of the request's context,
// by default 30 s, holds for the client and the server.
//
// RoundTripper answers a request with a body of more than 1 MiB with 413 and a problem
// document, without a call. The server answers the same way if the response is larger, or
// streams. The error of a call without an answer wraps ErrUnavailable or the error of the
// context; unless it wraps ErrNotSent, the request may have been carried out, or will be
// once a server is available. RoundTripper never sends a request again.
type RoundTripper struct {
	dial func(host string) (*Client, error)

	mu      sync.Mutex
	clients map[string]*Client // by host; nil once closed
}

// NewRoundTripper returns a RoundTripper that dials each host once, with the first
// request to it. Close closes the clients.
func NewRoundTripper(dial func(host string) (*Client, error)) *RoundTripper {
	return &RoundTripper{dial: dial, clients: map[string]*Client{}}
}

// RoundTrip implements http.RoundTripper.
func (t *RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r.Body)
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge("body_too_large", "the body of this request").httpResponse(r), nil
	case err != nil:
		return nil, err
	}
	client, err := t.client(r.URL.Host)
	if err != nil {
		return nil, NotSent(err)
	}
	answer, err := Call[tunnelResponse](r.Context(), client, tunnelMethod, tunnelRequest{
		Method: r.Method, URL: r.URL.RequestURI(), Header: endToEnd(r.Header), Body: body,
	})
	if err != nil {
		return nil, err
	}
	if answer.Status < http.StatusOK || answer.Status > 999 {
		return nil, fmt.Errorf("rpc: %s: %d is not the status of a response", tunnelMethod, answer.Status)
	}
	return answer.httpResponse(r), nil
}

func (t *RoundTripper) client(host string) (*Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clients == nil {
		return nil, ErrTransportClosed
	}
	if c := t.clients[host]; c != nil {
		return c, nil
	}
	c, err := t.dial(host)
	if err != nil {
		return nil, err
	}
	t.clients[host] = c
	return c, nil
}

// Close closes all clients. Calls in progress fail.
func (t *RoundTripper) Close() error {
	t.mu.Lock()
	clients := t.clients
	t.clients = nil
	t.mu.Unlock()
	var closing errgroup.Group // each may take a second
	for _, c := range clients {
		closing.Go(c.Close)
	}
	return closing.Wait()
}

// ServeHTTP registers h with s as the handler of the requests of RoundTrippers.
func ServeHTTP(s *Server, h http.Handler) {
	Register(s, tunnelMethod, func(ctx context.Context, c tunnelRequest) (tunnelResponse, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, c.Method, c.URL, bytes.NewReader(c.Body))
		if err != nil {
			return tunnelResponse{}, invalidParams("not an HTTP request: %v", err)
		}
		r.RequestURI, r.RemoteAddr = c.URL, "rpc"
		for name, values := range c.Header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
		w := &recorder{header: http.Header{}, cancel: cancel}
		h.ServeHTTP(w, r)
		if err := ctx.Err(); err != nil && w.status == 0 {
			return tunnelResponse{}, err // an empty response of a cancelled handler is not a success
		}
		return w.response(c.Method), nil
	})
}

var errTooLarge = errors.New("too large")

func readBody(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read request body: %w", err)
	case len(b) > maxBody:
		return nil, errTooLarge
	default:
		return b, nil
	}
}

// endToEnd returns a copy of h without the hop-by-hop fields (RFC 9110, section 7.6.1).
func endToEnd(h http.Header) http.Header {
	h = h.Clone()
	for _, listed := range h.Values("Connection") {
		for name := range strings.SplitSeq(listed, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		h.Del(name)
	}
	return h
}

// tooLarge returns the response to a request that cannot be tunnelled.
func tooLarge(code, what string) tunnelResponse {
	f := fault.New(fault.TooLarge, code, "%s has more than %d bytes, or streams, which JSON-RPC does not carry: an http:// URL of the service may", what, maxBody)
	return tunnelResponse{
		Status: http.StatusRequestEntityTooLarge, Header: http.Header{"Content-Type": {fault.ProblemType}},
		Body: mustEncode(f.Problem(http.StatusRequestEntityTooLarge)),
	}
}

// httpResponse converts c.
func (c tunnelResponse) httpResponse(r *http.Request) *http.Response {
	if c.Header == nil {
		c.Header = http.Header{}
	}
	return &http.Response{
		Status:     fmt.Sprintf("%03d %s", c.Status, http.StatusText(c.Status)),
		StatusCode: c.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.Header, ContentLength: int64(len(c.Body)), Request: r,
		Body: io.NopCloser(bytes.NewReader(c.Body)),
	}
}

// recorder is an http.ResponseWriter that records the response. It cancels the request
// if the response grows too large, or is flushed, since a handler that flushes streams.
type recorder struct {
	header  http.Header
	cancel  func() // cancels the request's context
	status  int    // 0 before WriteHeader
	sent    http.Header
	body    []byte
	tooMuch bool
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Only the first final status counts.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status, w.sent = status, endToEnd(w.header)
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.tooMuch || len(w.body)+len(p) > maxBody {
		w.giveUp()
		return 0, errTooLarge
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// Flush implements http.Flusher.
func (w *recorder) Flush() {
	w.WriteHeader(http.StatusOK)
	w.giveUp()
}

func (w *recorder) giveUp() {
	w.tooMuch, w.body = true, nil
	w.cancel()
}

// response returns the recorded response to a request with that method.
func (w *recorder) response(method string) tunnelResponse {
	w.WriteHeader(http.StatusOK)
	if w.tooMuch {
		return tooLarge("answer_too_large", "the answer to this request")
	}
	if method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		w.body = nil // these responses have no body (RFC 9110, section 6.4.1)
	}
	if w.sent.Get("Content-Type") == "" && len(w.body) > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(w.body))
	}
	return tunnelResponse{Status: w.status, Header: w.sent, Body: w.body}
}
