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

// contentType is that of requests and replies over HTTP.
const contentType = "application/json"

// HTTPHandler serves s by POST: 200 with the reply, or 204 where there is none. A
// message that is too large is 413, any other method 405, any other type 415; what
// is wrong with the message itself is said in JSON-RPC, with 200.
func HTTPHandler(s *Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "JSON-RPC wants POST", http.StatusMethodNotAllowed)
			return
		}
		if !isJSON(r.Header.Get("Content-Type")) {
			http.Error(w, "JSON-RPC wants "+contentType, http.StatusUnsupportedMediaType)
			return
		}
		message, err := readAll(http.MaxBytesReader(w, r.Body, int64(s.cfg.MaxBytes)), r.ContentLength)
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			http.Error(w, fmt.Sprintf("more than %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
			return
		case err != nil:
			return // the caller is gone
		}
		reply := s.Handle(r.Context(), message)
		if reply == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(reply) // likewise
	})
}

// isJSON takes a type that is not said as the one that is wanted.
func isJSON(said string) bool {
	if said == "" || said == contentType {
		return true
	}
	media, _, err := mime.ParseMediaType(said)
	return err == nil && media == contentType
}

// readAll is io.ReadAll for what is probably as long as it says, and small.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > 64<<10 {
		return io.ReadAll(r)
	}
	b := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead)) // the end is read, too
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

// NewHTTP is a transport that posts messages to url. Closing it closes idle
// connections of hc.
func NewHTTP(url string, hc *http.Client) Transport {
	t := &httpTransport{url: url, http: hc}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

// maxReply bounds a reply.
const maxReply = 64 << 20

// RoundTrip is Transport's.
func (t *httpTransport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if t.life.Err() != nil {
		return nil, errTransportClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	answer, err := t.http.Do(r)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	reply, err := readAll(io.LimitReader(answer.Body, maxReply), answer.ContentLength)
	switch {
	case err != nil:
		return nil, unavailable(ctx, err)
	case answer.StatusCode >= http.StatusInternalServerError:
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, answer.Status)
	case answer.StatusCode >= http.StatusMultipleChoices:
		return nil, fmt.Errorf("%s: %.200s", answer.Status, reply)
	case id != "" && len(reply) == 0:
		return nil, errors.New("nothing came back")
	}
	return reply, nil
}

// Close is Transport's.
func (t *httpTransport) Close() error {
	t.end()
	t.http.CloseIdleConnections()
	return nil
}

// unavailable keeps a context's own error, which says whose doing it was.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
