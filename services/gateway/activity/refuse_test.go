package activity

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/fault"
)

// call sends a request and reads the response.
func (i *instance) call(t testing.TB, method, path string, h http.Header) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, i.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = h.Clone()
	answer, err := (&http.Transport{DisableKeepAlives: true, DialContext: i.dial}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, said
}

// refused checks that an answer is a problem.
func refused(t testing.TB, answer *http.Response, said []byte, status int, code string) {
	t.Helper()
	var p fault.Problem
	if err := json.Unmarshal(said, &p); err != nil || answer.StatusCode != status || p.Status != status || p.Code != code ||
		answer.Header.Get("Content-Type") != fault.ProblemType {
		t.Errorf("answer %d %s: %s; want %d %s", answer.StatusCode, answer.Header.Get("Content-Type"), said, status, code)
	}
}

func TestRefusesInvalidRequests(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales())
	for _, tc := range []struct {
		method, path string
		header       http.Header
		status       int
		code         string
	}{
		{"GET", "/api/v1/events", after(anonymous(), "x"), 400, "last_event_id_malformed"},
		{"GET", "/api/v1/events", after(anonymous(), "-1"), 400, "last_event_id_malformed"},
		{"GET", "/api/v1/events", after(anonymous(), "99999999999999999999"), 400, "last_event_id_malformed"},
		{"GET", "/api/v1/events?last_event_id=1.5", anonymous(), 400, "last_event_id_malformed"},
		{"GET", "/api/v1/events?types=" + manyTypes(), anonymous(), 422, "types_too_many"},
		{"POST", "/api/v1/events", anonymous(), 405, "method_not_allowed"},
		{"GET", "/api/v1/ops/traces", anonymous(), 400, "trace_of_what"},
		{"GET", "/api/v1/ops/traces?subject=a&correlation=b", anonymous(), 400, "trace_of_what"},
		{"GET", "/api/v1/ops/traces?subject=a&limit=x", anonymous(), 400, "request_malformed"},
		{"GET", "/api/v1/ops/traces?subject=a&limit=201", anonymous(), 422, "request_invalid"},
		{"GET", "/api/v1/ops/history?minutes=0", anonymous(), 422, "request_invalid"},
		{"GET", "/api/v1/ops/history?minutes=1441", anonymous(), 422, "request_invalid"},
		{"DELETE", "/api/v1/ops/history", anonymous(), 405, "method_not_allowed"},
	} {
		answer, said := i.call(t, tc.method, tc.path, tc.header)
		refused(t, answer, said, tc.status, tc.code)
	}
}

func manyTypes() (list string) {
	for range maxTypes + 1 {
		list += "a.b,"
	}
	return list
}

func TestHeadOpensNoStream(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales())
	answer, said := i.call(t, "HEAD", "/api/v1/events", anonymous())
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" || len(said) > 0 || i.Open() != 0 {
		t.Errorf("answer %d %v, %d bytes, %d open", answer.StatusCode, answer.Header, len(said), i.Open())
	}
}

func TestLimitsOpenStreams(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) { c.MaxStreamsPerCaller, c.MaxStreams = 2, 5 })
	bus12 := http.Header{"X-Address": {"198.51.100.12"}}
	first, _ := i.listen(t, "", as("ann", "customer"))
	i.listen(t, "", as("ann", "staff"))
	answer, said := i.call(t, "GET", "/api/v1/events", as("ann", "customer"))
	refused(t, answer, said, 429, "too_many_streams")
	if answer.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
	i.listen(t, "", bus12)
	i.listen(t, "", bus12)
	answer, said = i.call(t, "GET", "/api/v1/events", bus12)
	refused(t, answer, said, 429, "too_many_streams")
	i.listen(t, "", anonymous())
	answer, said = i.call(t, "GET", "/api/v1/events", as("bob", "customer"))
	refused(t, answer, said, 503, "streams_full")
	if answer.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
	first.close() // leaves room, once the server has noticed
	for {
		c, err := i.ask(t.Context(), "", as("ann", "customer"))
		if err != nil {
			t.Fatal(err)
		}
		status := c.answer.StatusCode
		c.close()
		if status == 200 {
			return
		}
	}
}

func TestDrainEndsStreams(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales())
	c, _ := i.listen(t, "", anonymous())
	i.record(t, products(1)...)
	c.next(t)
	i.Drain()
	if _, err := c.read(); err != io.EOF { //nolint:errorlint // a clean end is exactly that
		t.Errorf("the stream ended with %v", err)
	}
	answer, said := i.call(t, "GET", "/api/v1/events", anonymous())
	refused(t, answer, said, 503, "draining")
}

func TestReportsUnavailableDatabaseAs503(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, "gateway", tables())
	i := start(t, conn, newSales())
	if err := conn.WithContext(context.Background()).Exec("ALTER TABLE activity_head RENAME TO away").Error; err != nil {
		t.Fatal(err)
	}
	answer, said := i.call(t, "GET", "/api/v1/events", anonymous())
	refused(t, answer, said, 503, "notes_away")
}
