package rpc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"quadrille/pkg/rpc"
)

// Browsers send some requests of foreign pages without a preflight. Programs send neither Origin
// nor Sec-Fetch-Site.
func TestForeignOriginCannotCallMethods(t *testing.T) {
	t.Parallel()
	called := 0
	s := rpc.NewServer(rpc.ServerConfig{})
	rpc.Register(s, "call", func(context.Context, struct{}) (int, error) { called++; return called, nil })
	h := rpc.HTTPHandler(s)
	for _, c := range []struct {
		header []string
		want   int
	}{
		{nil, http.StatusOK},
		{[]string{"Origin", "http://example.com"}, http.StatusOK},
		{[]string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		{[]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{[]string{"Origin", "null"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "http://example.com:3000"}, http.StatusForbidden},
	} {
		before := called
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com/rpc", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"call"}`))
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want || (called > before) != (c.want == http.StatusOK) {
			t.Errorf("%v: %d, called %d times", c.header, w.Code, called-before)
		}
	}
}
