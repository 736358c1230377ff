package rest

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"quadrille/pkg/fault"
)

// checkText refuses what no database keeps alike as text: U+0000, and bytes that
// are no UTF-8. PostgreSQL would fail on either, deep inside.
func checkText(u *url.URL) error {
	if !storable(u.Path) {
		return unstorable("path", "#/path")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fault.New(fault.Malformed, "query_malformed", "the query is not percent-encoded as it must be").
			With("#/query", "is not percent-encoded as it must be")
	}
	for name, values := range query {
		if !storable(name + strings.Join(values, "")) {
			return unstorable("query", "#/query")
		}
	}
	return nil
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func unstorable(part, pointer string) error {
	return fault.New(fault.Malformed, "text_malformed", "the %s holds the character U+0000, or bytes that are no UTF-8", part).
		With(pointer, "holds the character U+0000, or bytes that are no UTF-8")
}

// holdsNUL reports whether a string in valid JSON holds U+0000, which can be
// written there as an escape alone.
func holdsNUL(json []byte) bool {
	for {
		at := bytes.IndexByte(json, '\\')
		if at < 0 || at+1 >= len(json) {
			return false
		}
		if bytes.HasPrefix(json[at:], []byte(`\u0000`)) {
			return true
		}
		json = json[at+2:] // whatever is escaped, a backslash too
	}
}
