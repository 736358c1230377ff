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

// checkText refuses a URL whose path or query is not storable as text.
func checkText(u *url.URL) error {
	if !plaintext.Storable(u.Path) {
		return unstorable("path", "#/path")
	}
	query, _ := url.ParseQuery(u.RawQuery) // what is no query is refused where it is read
	for name, values := range query {
		if !plaintext.Storable(name + strings.Join(values, "")) {
			return unstorable("query", "#/query")
		}
	}
	return nil
}

// Text refuses what no database keeps alike, before anything is made of it.
func Text(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := checkText(c.Request().URL); err != nil {
			return err
		}
		return next(c)
	}
}

// CheckJSON refuses the same in a body that is JSON, and one of too many parts.
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
