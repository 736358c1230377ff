package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// ContentType is the media type of requests and replies.
const ContentType = "application/json"

// HTTPHandler serves s over HTTP POST: 200 with the reply, or 204 if there is none. A
// message that is too large is answered with 413, another method with 405, another
// media type with 415. Errors in the message itself are JSON-RPC error responses with
// status 200. A browser's request from a page of another origin is answered with 403;
// programs send neither Origin nor Sec-Fetch-Site.
func HTTPHandler(s *Server) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "JSON-RPC requires POST", http.StatusMethodNotAllowed)
			return
		}
		if !isJSON(r.Header.Get("Content-Type")) {
			http.Error(w, "JSON-RPC requires "+ContentType, http.StatusUnsupportedMediaType)
			return
		}
		message, err := readAll(http.MaxBytesReader(w, r.Body, int64(s.cfg.MaxBytes)), r.ContentLength)
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			http.Error(w, fmt.Sprintf("more than %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		case err != nil:
			return // the caller has disconnected
		}
		reply := s.Handle(r.Context(), message)
		if reply == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", ContentType)
		_, _ = w.Write(reply) // fails only if the caller has disconnected
	}))
}

// isJSON reports whether a Content-Type is JSON or missing.
func isJSON(header string) bool {
	if header == "" || header == ContentType {
		return true
	}
	media, _, err := mime.ParseMediaType(header)
	return err == nil && media == ContentType
}

// readAll reads r like io.ReadAll. It saves allocations if length, the announced one, is
// small.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > 64<<10 {
		return io.ReadAll(r)
	}
	b := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead)) // ReadFrom needs room to find the end
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// httpTransport posts messages.
type httpTransport struct {
	url  string
	http *http.Client
	life context.Context // ends with Close
	end  context.CancelFunc
}

// NewHTTP returns a transport that posts messages to url. Closing it closes the idle
// connections of hc.
func NewHTTP(url string, hc *http.Client) Transport {
	t := &httpTransport{url: url, http: hc}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

// maxReply bounds a reply.
const maxReply = 64 << 20

// RoundTrip implements Transport.
func (t *httpTransport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if t.life.Err() != nil {
		return nil, ErrTransportClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", ContentType)
	answer, err := t.http.Do(r)
	if err != nil {
		return nil, Unavailable(ctx, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	reply, err := readAll(io.LimitReader(answer.Body, maxReply), answer.ContentLength)
	switch {
	case err != nil:
		return nil, Unavailable(ctx, err)
	case answer.StatusCode >= http.StatusInternalServerError:
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, answer.Status)
	case answer.StatusCode >= http.StatusMultipleChoices:
		return nil, fmt.Errorf("%s: %.200s", answer.Status, reply)
	case id != "" && len(reply) == 0:
		return nil, errors.New("the reply is empty")
	}
	return reply, nil
}

// Close implements Transport.
func (t *httpTransport) Close() error {
	t.end()
	t.http.CloseIdleConnections()
	return nil
}
