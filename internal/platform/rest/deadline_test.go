package rest

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

const uploadSpec = tinySpec + `
  /files:
    post:
      operationId: createFile
      requestBody: { required: true, content: { text/csv: { schema: { type: string } } } }
      responses: { "201": { description: Created. } }
`

// uploads returns a server that accepts files at /files, with short time limits.
func uploads(t *testing.T) string {
	t.Helper()
	e, err := New(Config{
		Service: "tiny", Spec: []byte(uploadSpec), Log: slog.New(slog.DiscardHandler), Timeout: 200 * time.Millisecond,
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	take := func(c echo.Context) error {
		if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
			return err
		}
		if c.Request().Header.Get("X-Hang") != "" {
			<-c.Request().Context().Done()
			return c.Request().Context().Err()
		}
		return c.NoContent(http.StatusCreated)
	}
	e.POST("/files", take)
	e.POST("/things", take)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server.URL
}

func TestOnlyUploadsMayTakeLong(t *testing.T) {
	url := uploads(t)
	for path, want := range map[string]int{"/files": http.StatusCreated, "/things": http.StatusRequestEntityTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, bytes.NewReader(make([]byte, 2<<20)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "Text/CSV; charset=utf-8")
		r.Header.Set("Expect", "100-continue") // else the server closes the connection while the client sends
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("2 MiB to %s gives %d, want %d", path, answer.StatusCode, want)
		}
	}
}

func TestSlowRequestsGetTimeout(t *testing.T) {
	url := uploads(t)
	for what, c := range map[string]struct{ request, want string }{
		"a file that stalls":  {"POST /files HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 9\r\nConnection: close\r\n\r\na", "408"},
		"a thing that stalls": {"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{", "408"},
		"a file to a handler that hangs": {
			"POST /files HTTP/1.1\r\nHost: x\r\nX-Hang: 1\r\nContent-Type: text/csv\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", "503",
		},
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, c.request)
		said, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 "+c.want) {
			t.Errorf("%s: %s (%v), want %s", what, said, err, c.want)
		}
	}
}

// The server closes the connection only after the sender had time to read the response.
func TestSenderOfTooLargeBodyReadsResponse(t *testing.T) {
	url := uploads(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	head := "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"
	if _, err := io.WriteString(conn, head+strings.Repeat("a", 400_000)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 413 ")) {
		t.Errorf("read %.100q, %v", answer, err)
	}
}
