package ui_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"quadrille/services/gateway/ui"
)

func handler(t *testing.T) http.Handler {
	t.Helper()
	h, err := ui.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, http.NoBody)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var versioned = regexp.MustCompile(`/ui/([0-9a-f]{16})/`)

// root returns the URL path of this version's files.
func root(t *testing.T, h http.Handler) string {
	t.Helper()
	found := versioned.FindString(ask(h, http.MethodGet, "/").Body.String())
	if found == "" {
		t.Fatal("the page names no version")
	}
	return found
}

func TestPageAddresses(t *testing.T) {
	t.Parallel()
	h := handler(t)
	for path, status := range map[string]int{
		"/": 200, "/basket": 200, "/products/85123A": 200, "/orders": 200, "/orders/1": 200, "/wishlist": 200, "/warehouse": 200,
		"/operations": 200, "/operations/traces": 200, "/operations/dead-letters": 200, "/operations/tasks": 200, "/operations/x": 404,
		"/floor": 200, "/floor/traces": 200, "/floor/dead-letters": 200,
		"/products": 404, "/orders/1/2": 404, "/floor/x": 404, "/basket/x": 404, "/nothing": 404,
	} {
		w := ask(h, http.MethodGet, path)
		if w.Code != status || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(w.Body.String(), `id="app"`) {
			t.Errorf("GET %s: %d %s, want the page with %d", path, w.Code, w.Header().Get("Content-Type"), status)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-cache" {
			t.Errorf("GET %s: Cache-Control %q: an old page would be kept", path, got)
		}
	}
	for _, path := range []string{"/favicon.ico", "/wp-login.php"} {
		if w := ask(h, http.MethodGet, path); w.Code != 404 || strings.Contains(w.Body.String(), `id="app"`) {
			t.Errorf("GET %s: %d, want a bare 404", path, w.Code)
		}
	}
}

func TestVersionedFilesAreCachedForever(t *testing.T) {
	t.Parallel()
	h := handler(t)
	at := root(t, h)
	for name, kind := range map[string]string{
		"app.css": "text/css; charset=utf-8", "js/main.js": "text/javascript; charset=utf-8",
	} {
		w := ask(h, http.MethodGet, at+name)
		if w.Code != 200 || w.Header().Get("Content-Type") != kind || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", name)
		}
		if other := ask(h, http.MethodGet, "/ui/0000000000000000/"+name); other.Code != 200 || other.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s of another version: %d %q, must not be kept", name, other.Code, other.Header().Get("Cache-Control"))
		}
	}
}

func TestOtherFilesAreNotServed(t *testing.T) {
	t.Parallel()
	h := handler(t)
	at := root(t, h)
	for _, name := range []string{"index.html", "ui.go", "js/", "js/none.js", "../ui.go", "vendor/README.md", "test/router.test.js", ""} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.URL.Path = at + name
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 404 {
			t.Errorf("%q: %d, want 404", name, w.Code)
		}
	}
	if w := ask(h, http.MethodPost, "/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestCompressedAndPlainAreTheSame(t *testing.T) {
	t.Parallel()
	h := handler(t)
	at := root(t, h) + "app.css"
	plain, packed := ask(h, http.MethodGet, at), ask(h, http.MethodGet, at, "Accept-Encoding", "br, gzip;q=0.5")
	if packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("not packed: %v", packed.Header())
	}
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
		t.Errorf("unpacked it is another (%v)", err)
	}
	if packed.Header().Get("ETag") == plain.Header().Get("ETag") {
		t.Error("packed and plain have one ETag")
	}
	if w := ask(h, http.MethodGet, at, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("packed for who refuses it")
	}
}

func TestUnchangedPageIsNotSentAgain(t *testing.T) {
	t.Parallel()
	h := handler(t)
	tag := ask(h, http.MethodGet, "/").Header().Get("ETag")
	if w := ask(h, http.MethodGet, "/", "If-None-Match", `"x", W/`+tag); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("%d with %d bytes, want 304 and none", w.Code, w.Body.Len())
	}
	if w := ask(h, http.MethodGet, "/", "If-None-Match", `"x"`); w.Code != 200 {
		t.Errorf("another ETag: %d", w.Code)
	}
	if w := ask(h, http.MethodHead, "/"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
}
