package rest

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestUnstorableTextIsRefused(t *testing.T) {
	for raw, want := range map[string]bool{
		"/orders/1?customer=a": true, "/orders/%C3%BC": true, "/orders/%00": false, "/orders/%ff": false,
		"/orders?customer=%00": false, "/orders?customer=%ff": false, "/orders?a%00=b": false, "/orders?a=%zz": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := errors.Join(checkQuery(u), checkText(u)) == nil; got != want {
			t.Errorf("%s is taken: %v, want %v", raw, got, want)
		}
	}
}

func FuzzHoldsNUL(f *testing.F) {
	for _, s := range []string{`""`, `"\u0000"`, `"\\u0000"`, `"\\\u0000"`, `{"a\u0000":1}`, `["\"\u0000"]`, `"\u00000"`, `"\u0001"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var value any
		if json.Unmarshal(body, &value) != nil {
			return
		}
		if got, want := holdsNUL(body), strings.ContainsRune(text(value), 0); got != want && !repeats(body) {
			t.Errorf("%q holds U+0000: %v, want %v", body, got, want)
		}
	})
}

// text returns all strings in a JSON value.
func text(value any) (all string) {
	switch v := value.(type) {
	case string:
		return v
	case []any:
		for _, x := range v {
			all += text(x)
		}
	case map[string]any:
		for k, x := range v {
			all += k + text(x)
		}
	}
	return all
}

// repeats reports whether an object may have a duplicate member, so that the decoded value has
// less than the body.
func repeats(body []byte) bool { return strings.Count(string(body), ":") > 1 }
