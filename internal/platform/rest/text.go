package rest

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"quadrille/internal/plaintext"
	"quadrille/pkg/fault"
)

// checkText returns a Malformed fault if the path or query of u is not storable as text.
func checkText(u *url.URL) error {
	if !plaintext.Storable(u.Path) {
		return unstorable("path", "#/path")
	}
	query, _ := url.ParseQuery(u.RawQuery) // checkQuery refuses invalid queries
	for name, values := range query {
		if !plaintext.Storable(name + strings.Join(values, "")) {
			return unstorable("query", "#/query")
		}
	}
	return nil
}

// Text refuses URLs with text that the databases cannot store (see checkText), before any
// handler uses them.
func Text(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := checkText(c.Request().URL); err != nil {
			return err
		}
		return next(c)
	}
}

// CheckJSON returns a Malformed fault for a JSON body that is too complex or has text that
// the databases cannot store.
func CheckJSON(body []byte) error {
	if err := checkComplexity(body); err != nil {
		return err
	}
	if !utf8.Valid(body) || holdsNUL(body) {
		return unstorable("body", "")
	}
	return nil
}

func unstorable(part, pointer string) error {
	return fault.New(fault.Malformed, "text_malformed", "the %s contains the character U+0000 or invalid UTF-8", part).
		With(pointer, "contains the character U+0000 or invalid UTF-8")
}

// holdsNUL reports whether a string in valid JSON contains U+0000, which JSON can only write
// as an escape.
func holdsNUL(json []byte) bool {
	for {
		at := bytes.IndexByte(json, '\\')
		if at < 0 || at+1 >= len(json) {
			return false
		}
		if bytes.HasPrefix(json[at:], []byte(`\u0000`)) {
			return true
		}
		json = json[at+2:] // skip the escaped character, which may be a backslash
	}
}
