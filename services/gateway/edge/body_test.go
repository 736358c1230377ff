package edge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const mebibyte = 1 << 20

// counts responds with the number of bytes in the request body.
func counts(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Location", "/imports/7")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, n)
}

// upload sends a CSV file of this size.
func (d *testGateway) upload(size int, chunked bool) answer {
	d.t.Helper()
	r := d.request("POST", "/api/v1/imports", "")
	r.Header.Set("Content-Type", "text/csv")
	var body io.Reader = bytes.NewReader(make([]byte, size))
	r.ContentLength = int64(size)
	if chunked {
		r.ContentLength = -1
	}
	r.Body = io.NopCloser(body)
	return d.do(r)
}

// Over HTTP a CSV file may have any size up to maxCSV. Over RPC it may have 1 MiB; a
// larger one is refused with a reason.
func TestUploadsOfAnySize(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d := opened(t, w, Config{}, map[string]http.Handler{"inventory": http.HandlerFunc(counts)})
		_, url := w(t, nil)
		tunnelled := strings.HasPrefix(url("inventory"), "amqp:")
		for _, chunked := range []bool{false, true} {
			for _, size := range []int{0, 1, mebibyte, mebibyte + 1, 5 * mebibyte} {
				a := d.upload(size, chunked)
				switch {
				case tunnelled && size > mebibyte:
					a.refused(t, strconv.Itoa(size)+" bytes", http.StatusRequestEntityTooLarge, "body_too_large")
				case a.status != http.StatusAccepted || a.body != strconv.Itoa(size) || a.header.Get("Location") != "/api/v1/imports/7":
					t.Errorf("%d bytes (chunked: %t) give %d %s %v", size, chunked, a.status, a.body, a.header)
				}
			}
		}
	})
}

// The service receives the first lines of a file before the last are sent.
func TestStreamsUploads(t *testing.T) {
	line := make(chan string)
	d := opened(t, overHTTP, Config{Timeout: 500 * time.Millisecond}, map[string]http.Handler{
		"inventory": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b := make([]byte, 6)
			for {
				if _, err := io.ReadFull(r.Body, b); err != nil {
					return
				}
				line <- string(b)
			}
		}),
	})
	r := d.request("POST", "/api/v1/imports", "")
	r.Header.Set("Content-Type", "text/csv")
	body, file := io.Pipe()
	r.Body, r.ContentLength = body, -1
	go func() {
		for n := range 9 {
			fmt.Fprintf(file, "line %d", n)
			if got := <-line; got != fmt.Sprint("line ", n) {
				t.Errorf("line %d arrives as %q", n, got)
			}
			time.Sleep(70 * time.Millisecond) // in all, longer than another request may take
		}
		_ = file.Close()
	}()
	if a := d.do(r); a.status != http.StatusOK {
		t.Errorf("the response is %d %s", a.status, a.body)
	}
}

// A client that sends Expect: 100-continue gets the final response, not the interim one.
func TestExpectContinue(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d := opened(t, w, Config{}, map[string]http.Handler{"inventory": http.HandlerFunc(counts)})
		r := d.request("POST", "/api/v1/imports", "a,b,c\n", "Expect", "100-continue")
		r.Header.Set("Content-Type", "text/csv")
		if a := d.do(r); a.status != http.StatusAccepted || a.body != "6" || a.header.Get("X-Request-ID") == "" {
			t.Errorf("the response is %d %s %v", a.status, a.body, a.header)
		}
	})
}

func TestDropsInterimResponses(t *testing.T) {
	d, _ := only(t, overHTTP, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusTeapot)
	})
	if a := d.ask("GET", "/api/v1/orders", ""); a.status != http.StatusTeapot || a.header.Get("X-Request-ID") == "" || a.header.Get("Content-Security-Policy") == "" || a.header.Get("Link") != "" {
		t.Errorf("the response is %d %v", a.status, a.header)
	}
}

func TestBlamesSenderForIncompleteBody(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d := opened(t, w, Config{Timeout: 300 * time.Millisecond}, map[string]http.Handler{"sales": http.HandlerFunc(counts)})
		said := d.raw("POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " + token +
			"\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{")
		if !strings.HasPrefix(said, "HTTP/1.1 408 ") || !strings.Contains(said, "application/problem+json") {
			t.Errorf("the response is %s", said)
		}
		if strings.Contains(d.log.String(), "gave no answer") {
			t.Errorf("the log blames the service: %s", d.log)
		}
		said = d.raw("POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " + token +
			"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nnonsense\r\n")
		if !strings.HasPrefix(said, "HTTP/1.1 400 ") || !strings.Contains(said, "application/problem+json") {
			t.Errorf("the response is %s", said)
		}
		if strings.Contains(d.log.String(), "gave no answer") {
			t.Errorf("the log blames the service: %s", d.log)
		}
	})
}

// asIs sends a POST with this token and header and only this part of the body, and
// returns the raw response.
func (d *testGateway) asIs(path, given, header, body string) string {
	d.t.Helper()
	return d.raw("POST " + path + " HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " + given + "\r\nConnection: close\r\n" + header + "\r\n\r\n" + body)
}

// The media type of a body neither raises its size limit nor extends its time: only a
// POST to /imports is an upload.
func TestTreatsOnlyImportsAsUploads(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d := opened(t, w, Config{Timeout: 300 * time.Millisecond}, map[string]http.Handler{"sales": http.HandlerFunc(counts), "inventory": http.HandlerFunc(counts)})
		for _, path := range []string{"/orders", "/receipts", "/ops/services/sales/dead-letters/7/retry", "/ops/keys"} {
			r := d.request("POST", prefix+path, "")
			r.Header.Set("Content-Type", "text/csv")
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, 2*mebibyte))), -1
			if a := d.do(r); a.status != http.StatusRequestEntityTooLarge && a.status != http.StatusUnsupportedMediaType {
				t.Errorf("2 MiB to %s: %d %s", path, a.status, a.body)
			}
			if said := d.asIs(prefix+path, token, "Content-Type: text/csv\r\nContent-Length: 100", "a"); !strings.HasPrefix(said, "HTTP/1.1 408 ") && !strings.HasPrefix(said, "HTTP/1.1 415 ") {
				t.Errorf("half a file to %s: %s", path, said)
			}
		}
	})
}

// A sender that stalls in the middle of a file gets a timeout. The gateway does not wait
// for the rest of a refused body either.
func TestTimesOutStalledSender(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d := opened(t, w, Config{Timeout: 300 * time.Millisecond}, map[string]http.Handler{"inventory": http.HandlerFunc(counts)})
		for _, length := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
			said := d.asIs(prefix+"/imports", token, "Content-Type: Text/CSV; charset=utf-8\r\n"+length, "5\r\nabcde\r\n")
			if !strings.HasPrefix(said, "HTTP/1.1 408 ") || !strings.Contains(said, `"code":"body_late"`) {
				t.Errorf("with %s: %s", length, said)
			}
			for status, given := range map[string]string{"401": "wrong", "403": "bob"} {
				if said := d.asIs(prefix+"/imports", given, "Content-Type: text/csv\r\n"+length, ""); !strings.HasPrefix(said, "HTTP/1.1 "+status) {
					t.Errorf("%s, with %s: %s", given, length, said)
				}
			}
		}
	})
}

// A service that hangs during an upload gets no more time than for any other request,
// whether or not it reads the file.
func TestTimesOutServiceThatHangsDuringUpload(t *testing.T) {
	for what, takes := range map[string]bool{"before": false, "after": true} {
		ways(t, func(t *testing.T, w way) {
			hangs := make(chan struct{}) // a server does not see that its caller left while there is more to read
			defer close(hangs)
			d := opened(t, w, Config{Timeout: 300 * time.Millisecond}, map[string]http.Handler{
				"inventory": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if takes {
						_, _ = io.Copy(io.Discard, r.Body)
					}
					<-hangs
				}),
			})
			d.upload(mebibyte/2, true).refused(t, "a service that hangs "+what, http.StatusServiceUnavailable, "timeout")
		})
	}
}

// The gateway refuses text that databases cannot store, whichever service it is for.
func TestRefusesInvalidText(t *testing.T) {
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{}, seen.serveAll(), withDevRoutes(t))
	for _, ask := range [][2]string{
		{"GET", "/orders/%00"}, {"GET", "/orders/%ff"}, {"GET", "/products?q=%00"}, {"GET", "/products?q=%ff"}, {"GET", "/ops/traces?subject=%00"},
		{"GET", "/ops/audits/%00"}, {"DELETE", "/ops/keys/%00"}, {"DELETE", "/ops/keys/%ff"}, {"GET", "/events?x=%00"}, {"GET", "/nothing/%00"}, {"GET", "/me?%00=1"},
	} {
		d.ask(ask[0], prefix+ask[1], "").refused(t, strings.Join(ask[:], " "), http.StatusBadRequest, "text_malformed")
	}
	for _, body := range []string{`{"name":"a\u0000","roles":["staff"]}`, "{\"name\":\"a\xff\",\"roles\":[\"staff\"]}"} {
		d.ask("POST", prefix+"/ops/keys", body).refused(t, body, http.StatusBadRequest, "text_malformed")
	}
	d.ask("POST", "/dev/token", `{"subject":"a\u0000"}`).refused(t, "a subject", http.StatusBadRequest, "text_malformed")
	if asked := seen.take(); len(asked) != 0 {
		t.Errorf("the services received %v", asked)
	}
}

func TestRefusesEncodedBodies(t *testing.T) {
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{}, seen.serveAll())
	for _, path := range []string{"/orders", "/imports", "/ops/keys"} {
		d.ask("POST", prefix+path, "{}", "Content-Encoding", "gzip").refused(t, path, http.StatusUnsupportedMediaType, "media_type_unsupported")
	}
	if asked := seen.take(); len(asked) != 0 {
		t.Errorf("the services received %v", asked)
	}
	if a := d.ask("POST", prefix+"/orders", "{}", "Content-Encoding", "Identity"); a.status != http.StatusOK {
		t.Errorf("without Content-Encoding: %d %s", a.status, a.body)
	}
}
