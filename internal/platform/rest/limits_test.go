package rest

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

const brokenSpec = tinySpec + `
  /files:
    post:
      operationId: createFile
      requestBody: { required: true, content: { text/csv: { schema: { type: string } } } }
      responses: { "201": { description: Created. } }
`

func TestRefusesIncompleteBody(t *testing.T) {
	e, err := New(Config{
		Service: "tiny", Spec: []byte(brokenSpec), Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	taken := func(c echo.Context) error {
		if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
			return err
		}
		return c.NoContent(http.StatusCreated)
	}
	e.POST("/things", taken)
	e.POST("/files", taken)
	server := httptest.NewServer(e)
	defer server.Close()
	for name, tc := range map[string]struct {
		request string
		want    int
	}{
		"JSON as a whole":   {"/things HTTP/1.1\nContent-Type: application/json\nContent-Length: 2\n\n{}", http.StatusCreated},
		"JSON too short":    {"/things HTTP/1.1\nContent-Type: application/json\nContent-Length: 9\n\n{}", http.StatusBadRequest},
		"CSV as a whole":    {"/files HTTP/1.1\nContent-Type: text/csv\nContent-Length: 3\n\na,b", http.StatusCreated},
		"CSV too short":     {"/files HTTP/1.1\nContent-Type: text/csv\nContent-Length: 30\n\na,b", http.StatusBadRequest},
		"chunks that end":   {"/files HTTP/1.1\nContent-Type: text/csv\nTransfer-Encoding: chunked\n\n3\r\na,b\r\n0\r\n\r\n", http.StatusCreated},
		"no last chunk":     {"/files HTTP/1.1\nContent-Type: text/csv\nTransfer-Encoding: chunked\n\n3\r\na,b\r\n", http.StatusBadRequest},
		"a malformed chunk": {"/files HTTP/1.1\nContent-Type: text/csv\nTransfer-Encoding: chunked\n\nxyz\r\na,b\r\n", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			head, body, _ := strings.Cut(tc.request, "\n\n")
			head = "POST " + strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: localhost\r\nConnection: close"
			if _, err := io.WriteString(conn, head+"\r\n\r\n"+body); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != tc.want || tc.want == http.StatusBadRequest && !strings.Contains(string(text), "body_incomplete") {
				t.Errorf("got %d, want %d: %s", answer.StatusCode, tc.want, text)
			}
		})
	}
}
