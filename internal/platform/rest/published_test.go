package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

const small = `
openapi: 3.0.3
info: { title: Small, version: "1", description: "One <b>line</b>.\nAnother." }
paths:
  /ticks:
    get:
      summary: Ticks
      responses:
        "200":
          description: Ticks.
          headers: { X-Tick: { schema: { type: string } } }
          content: { text/event-stream: { schema: { type: string }, example: "data: 1 < 2\n\n" } }
`

// ask requests a published document.
func ask(t *testing.T, spec, prefix, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	e := NewBare(slog.New(slog.DiscardHandler), AccessLog{})
	Publish(e, prefix, []byte(spec))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, prefix+path, nil))
	return w
}

// The digest in the policy must match the style in the page to the byte.
func TestDocsPolicyAllowsOnlyOwnStyle(t *testing.T) {
	w := ask(t, small, "", http.MethodGet, "/docs")
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())
	if style == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	digest := sha256.Sum256([]byte(style[1]))
	want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'"
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; "+want+";") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s, want %s", policy, want)
	}
	for _, loose := range []string{"style=", "<script", "<b>", "http://", "https://"} {
		if strings.Contains(w.Body.String(), loose) {
			t.Errorf("the page has %s", loose)
		}
	}
}

func TestDocsShowResponseHeadersAndExamples(t *testing.T) {
	page := ask(t, small, "", http.MethodGet, "/docs").Body.String()
	for _, want := range []string{"<p>One &lt;b&gt;line&lt;/b&gt;.</p>", "<p>Another.</p>", `<td role="cell" data-name="Headers">X-Tick</td>`, "<pre>data: 1 &lt; 2\n\n</pre>", "text/event-stream string"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s: %s", want, page)
		}
	}
}

// The link must work below any prefix.
func TestDocsLinkToDocumentBesideThem(t *testing.T) {
	page := ask(t, small, "/api/v1", http.MethodGet, "/docs")
	if !strings.Contains(page.Body.String(), `href="openapi.yaml"`) {
		t.Errorf("the page does not link to its document: %s", page.Body)
	}
	document := ask(t, small, "/api/v1", http.MethodGet, "/openapi.yaml")
	if document.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("the document is %v", document.Header())
	}
	if _, err := parseDocument(document.Body.Bytes()); err != nil {
		t.Errorf("the served document is invalid: %v", err)
	}
	if head := ask(t, small, "/api/v1", http.MethodHead, "/docs"); head.Code != http.StatusOK {
		t.Errorf("HEAD gives %d", head.Code)
	}
}

func TestInvalidDocumentsFailRequests(t *testing.T) {
	for _, spec := range []string{"", "}", "openapi: 3.0.3", "{openapi: 3.0.3, info: {title: t, version: v}, paths: {/a: {get: {}}}}"} {
		for _, path := range []string{"/docs", "/openapi.yaml"} {
			if w := ask(t, spec, "", http.MethodGet, path); w.Code != http.StatusInternalServerError {
				t.Errorf("%q is published as %d %s", spec, w.Code, w.Body)
			}
		}
	}
}
