package activity

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testTimeout bounds how long a test waits for an expected event.
const testTimeout = 20 * time.Second

// frameRead is one server-sent event as received.
type frameRead struct {
	event, data string
	id          string // without its epoch
	epoch       string
	comment     string
}

func (f frameRead) seq(t testing.TB) int64 {
	t.Helper()
	seq, err := strconv.ParseInt(f.id, 10, 64)
	if err != nil {
		t.Fatalf("frame %+v has no number", f)
	}
	return seq
}

// told decodes the data of an event.
func (f frameRead) told(t testing.TB) (b eventData) {
	t.Helper()
	if err := json.Unmarshal([]byte(f.data), &b); err != nil {
		t.Fatalf("%q: %v", f.data, err)
	}
	return b
}

// client is an open stream.
type client struct {
	answer *http.Response
	lines  *bufio.Reader
	close  func()
}

// as returns the headers that identify a caller.
func as(subject string, roles ...string) http.Header {
	return http.Header{"X-Subject": {subject}, "X-Roles": {joined(roles...)}}
}

func anonymous() http.Header { return http.Header{} }

// after names the number after which a stream resumes.
func after(h http.Header, seq any) http.Header {
	h = h.Clone()
	h.Set("Last-Event-ID", fmt.Sprint(seq))
	return h
}

// ask opens a stream and returns it whatever the response.
func (i *instance) ask(ctx context.Context, query string, h http.Header) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*testTimeout)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url+"/api/v1/events?"+query, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header = h.Clone()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: i.dial}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		cancel()
		return nil, err
	}
	return &client{answer: answer, lines: bufio.NewReader(answer.Body), close: func() {
		cancel()
		_ = answer.Body.Close()
	}}, nil
}

// listen opens a stream, and reads its hello.
func (i *instance) listen(t testing.TB, query string, h http.Header) (*client, frameRead) {
	t.Helper()
	c, err := i.ask(t.Context(), query, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if c.answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(c.answer.Body)
		t.Fatalf("answer %d: %s", c.answer.StatusCode, said)
	}
	hello := c.next(t)
	if hello.event != "hello" {
		t.Fatalf("the first frame is %+v", hello)
	}
	return c, hello
}

// read reads a frame: lines up to an empty one.
func (c *client) read() (f frameRead, err error) {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return f, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n" && f != frameRead{}:
			return f, nil
		case line == "\n":
		case name == "":
			f.comment = value
		case name == "event":
			f.event = value
		case name == "id":
			f.epoch, f.id, _ = strings.Cut(value, "-")
		case name == "data":
			f.data = value
		}
	}
}

// next returns the next event and skips heartbeats.
func (c *client) next(t testing.TB) frameRead {
	t.Helper()
	for {
		f, err := c.read()
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if f.event != "" {
			return f
		}
	}
}

// some returns the next n events.
func (c *client) some(t testing.TB, n int) (frames []frameRead) {
	t.Helper()
	for range n {
		frames = append(frames, c.next(t))
	}
	return frames
}

// ended waits for the end of the stream and returns the events before it.
func (c *client) ended() (frames []frameRead) {
	for {
		f, err := c.read()
		if err != nil {
			return frames
		}
		if f.event != "" {
			frames = append(frames, f)
		}
	}
}
