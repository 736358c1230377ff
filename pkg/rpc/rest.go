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

// methodREST is the method that carries a REST request.
const methodREST = "http.request"

// maxBody bounds the body of a carried request and of its answer.
const maxBody = 1 << 20

// carriedRequest is an HTTP request as params. Bodies are base64, whatever they
// hold.
type carriedRequest struct {
	Method string      `json:"method"`
	URL    string      `json:"url"` // path and query
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// carriedResponse is an HTTP answer as a result.
type carriedResponse struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// RoundTripper is an http.RoundTripper whose requests go as JSON-RPC calls: the
// host of the URL is handed to a dialer, all the rest to the server, which answers
// with ServeHTTP. The request's context bounds the call, there and here; without a
// deadline it has 30 s.
//
// A body of more than 1 MiB is answered with 413 and a problem document, without a
// call; so is an answer that is larger, or that streams. A call that got no answer
// is an error that wraps ErrUnavailable or the context's, and may have been carried
// out, now or when a server is there again, unless it wraps ErrNotSent. Nothing is sent
// again.
type RoundTripper struct {
	dial func(host string) (*Client, error)

	mu      sync.Mutex
	clients map[string]*Client // by host; nil once closed
}

// NewRoundTripper makes a RoundTripper that dials each host once, at its first
// request, and closes what it dialled.
func NewRoundTripper(dial func(host string) (*Client, error)) *RoundTripper {
	return &RoundTripper{dial: dial, clients: map[string]*Client{}}
}

// RoundTrip is http.RoundTripper's.
func (t *RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r.Body)
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge("body_too_large", "the body of this request").response(r), nil
	case err != nil:
		return nil, err
	}
	client, err := t.client(r.URL.Host)
	if err != nil {
		return nil, notSent(err)
	}
	answer, err := Call[carriedResponse](r.Context(), client, methodREST, carriedRequest{
		Method: r.Method, URL: r.URL.RequestURI(), Header: travelling(r.Header), Body: body,
	})
	if err != nil {
		return nil, err
	}
	if answer.Status < http.StatusOK || answer.Status > 999 {
		return nil, fmt.Errorf("rpc: %s: %d is no status of an answer", methodREST, answer.Status)
	}
	return answer.response(r), nil
}

func (t *RoundTripper) client(host string) (*Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clients == nil {
		return nil, errTransportClosed
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

// Close closes what was dialled. Calls under way fail.
func (t *RoundTripper) Close() error {
	t.mu.Lock()
	clients := t.clients
	t.clients = nil
	t.mu.Unlock()
	var closing errgroup.Group // a transport may take a second
	for _, c := range clients {
		closing.Go(c.Close)
	}
	return closing.Wait()
}

// ServeHTTP registers with s that h answers the requests of a RoundTripper.
func ServeHTTP(s *Server, h http.Handler) {
	Register(s, methodREST, func(ctx context.Context, c carriedRequest) (carriedResponse, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, c.Method, c.URL, bytes.NewReader(c.Body))
		if err != nil {
			return carriedResponse{}, invalidParams("no HTTP request: %v", err)
		}
		r.RequestURI, r.RemoteAddr = c.URL, "rpc"
		for name, values := range c.Header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
		w := &recorder{header: http.Header{}, abandon: cancel}
		h.ServeHTTP(w, r)
		if err := ctx.Err(); err != nil && w.status == 0 {
			return carriedResponse{}, err // it gave up, and says nothing: that is no success
		}
		return w.answer(c.Method), nil
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

// travelling is a header without what holds for one connection only (RFC 9110,
// section 7.6.1).
func travelling(h http.Header) http.Header {
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

// tooLarge is the answer for what cannot be carried.
func tooLarge(code, what string) carriedResponse {
	f := fault.New(fault.TooLarge, code, "%s has more than %d bytes, or streams: RPC does not carry that, a service that is reached over HTTP may", what, maxBody)
	return carriedResponse{
		Status: http.StatusRequestEntityTooLarge, Header: http.Header{"Content-Type": {fault.ProblemType}},
		Body: encoded(f.Problem(http.StatusRequestEntityTooLarge)),
	}
}

// response is the answer as an *http.Response.
func (c carriedResponse) response(r *http.Request) *http.Response {
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
