package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/rest"
)

// serving runs a shop with one service that serves handler.
func serving(t *testing.T, stopWithin time.Duration, handler http.HandlerFunc) (s *Shop, address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := Service{
		Name: Gateway, ConsumerOnly: true, Migrations: dbtest.NoTables(), Spec: []byte("{openapi: 3.0.3, info: {title: t, version: v}, paths: {}}"),
		Build: func(Deps) (Components, error) {
			return Components{Front: func(http.Handler) http.Handler { return handler }}, nil
		},
	}
	cfg := Config{Services: shopServices(), Data: t.TempDir(), Listeners: map[string]net.Listener{Gateway: l}, StopWithin: stopWithin}
	s, err = Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []Service{service})
	if err != nil {
		t.Fatal(err)
	}
	return s, l.Addr().String()
}

// say opens a connection and sends text. The test reads the response.
func say(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A request that waits for a response that never comes does not delay the stop. Its client gets
// a response.
func TestStopCancelsRequestsThatWait(t *testing.T) {
	t.Parallel()
	const within = 3 * time.Second
	begun := make(chan struct{})
	s, address := serving(t, within, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		if cause := context.Cause(r.Context()); !errors.Is(cause, rest.ErrStopping) {
			t.Errorf("it was cancelled because of %v", cause)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	conn := say(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	stops(t, s, within)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(answer, "503") {
		t.Errorf("the client got %q, %v", answer, err)
	}
}

// A client that never finishes its request does not delay the stop.
func TestStopClosesConnectionsThatStillSend(t *testing.T) {
	t.Parallel()
	const within = 3 * time.Second
	begun := make(chan struct{})
	s, address := serving(t, within, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	say(t, address, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nthe beginning")
	<-begun
	stops(t, s, within)
}

// Stop waits for a request that ends soon.
func TestStopWaitsForResponses(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	s, address := serving(t, time.Minute, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		select {
		case <-goOn:
		case <-r.Context().Done():
			t.Error("it was cancelled at once")
		}
	})
	conn := say(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	select {
	case err := <-stopped:
		t.Errorf("it stopped before the response: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(goOn)
	if answer, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(answer, "200") {
		t.Errorf("the client got %q, %v", answer, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func stops(t *testing.T, s *Shop, within time.Duration) {
	t.Helper()
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	const closing = time.Second // of the database and the log, after the last request
	if took := time.Since(began); took > within+closing {
		t.Errorf("it stopped after %s, want at most %s", took, within)
	}
}
