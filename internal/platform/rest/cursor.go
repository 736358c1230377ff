package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// checkBytes is the length of a cursor's checksum in bytes.
const checkBytes = 6

// EncodeCursor returns the cursor of the page after key in lists of kind. Its checksum
// detects mistakes and manual changes. It needs no secret, since a cursor gives access to
// nothing but the list.
func EncodeCursor(kind, key string) string {
	sum := checksum(kind, key)
	return base64.RawURLEncoding.EncodeToString(append(sum, key...))
}

// DecodeCursor returns the key of a cursor, or "" for nil or "", the start of the list. It
// returns a Malformed fault for any other text that EncodeCursor did not make for kind.
func DecodeCursor(kind string, cursor *string) (key string, err error) {
	if cursor == nil || *cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err == nil && len(raw) > checkBytes {
		key = string(raw[checkBytes:])
		if subtle.ConstantTimeCompare(raw[:checkBytes], checksum(kind, key)) == 1 {
			return key, nil
		}
	}
	return "", fault.New(fault.Malformed, "cursor_invalid", "the parameter after is not a cursor of this list; copy it unchanged from next of the previous page").
		With("#/query/after", "is not a cursor of this list")
}

func checksum(kind, key string) []byte {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return sum[:checkBytes]
}

// Page cuts rows to limit. If there are more than limit rows, next is the cursor of the
// next page; else it is nil. Callers therefore query limit+1 rows.
func Page[T any](kind string, rows []T, limit int, key func(T) string) (page []T, next *string) {
	if len(rows) <= limit {
		return rows, nil
	}
	cursor := EncodeCursor(kind, key(rows[limit-1]))
	return rows[:limit], &cursor
}

// DefaultLimit is the page length without the parameter limit.
const DefaultLimit = 50

// List describes a list of the API: rows R in the order of Key, shown as models M.
type List[R, M any] struct {
	Name  string         // names the list in its cursors; a cursor of another list is refused
	Key   func(R) string // the sort key, which a cursor holds
	Model func(R) M
	// Read returns up to limit rows with keys above after. An empty after means the start.
	Read func(ctx context.Context, after string, limit int) ([]R, error)
}

// ListPage is one page of a list. Next, the cursor of the next page, and Link, the header
// for it, are nil on the last page.
type ListPage[M any] struct {
	Items      []M
	Next, Link *string
}

// Page returns the page of a request's parameters after and limit, which may be nil.
func (l List[R, M]) Page(ctx context.Context, after *string, limit *int) (ListPage[M], error) {
	key, err := DecodeCursor(l.Name, after)
	if err != nil {
		return ListPage[M]{}, err
	}
	length := DefaultLimit
	if limit != nil {
		length = *limit
	}
	rows, err := l.Read(ctx, key, length+1)
	if err != nil {
		return ListPage[M]{}, err
	}
	rows, next := Page(l.Name, rows, length, l.Key)
	return ListPage[M]{Items: Map(rows, l.Model), Next: next, Link: Link(ctx, next)}, nil
}

type urlKey struct{}

// rememberURL stores the request's URL in its context, for Link.
func rememberURL(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), urlKey{}, r.URL)))
		return next(c)
	}
}

// Link returns the Link header of the next page (RFC 8288): the URL of the request in ctx
// with next as the cursor. It returns nil if next is nil.
func Link(ctx context.Context, next *string) *string {
	requested, ok := ctx.Value(urlKey{}).(*url.URL)
	if next == nil || !ok {
		return nil
	}
	query := requested.Query()
	query.Set("after", *next)
	link := "<" + requested.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
	return &link
}
