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

// checkBytes is how much of its checksum a cursor carries.
const checkBytes = 6

// EncodeCursor makes the cursor that goes on after key in lists of kind. Its
// checksum finds mistakes and tampering by hand; it keeps no secret and needs
// none, since a cursor opens nothing that the list does not show.
func EncodeCursor(kind, key string) string {
	sum := checksum(kind, key)
	return base64.RawURLEncoding.EncodeToString(append(sum, key...))
}

// DecodeCursor reads a cursor back. nil is the start of the list.
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
	return "", fault.New(fault.Malformed, "cursor_invalid", "this is no cursor of this list; take it from the answer's next as it is").
		With("#/query/after", "is no cursor of this list")
}

func checksum(kind, key string) []byte {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return sum[:checkBytes]
}

// Page cuts rows, of which one more than limit was asked for, to limit, and makes
// the cursor that goes on after the last one; nil where there is no more.
func Page[T any](kind string, rows []T, limit int, key func(T) string) (page []T, next *string) {
	if len(rows) <= limit {
		return rows, nil
	}
	cursor := EncodeCursor(kind, key(rows[limit-1]))
	return rows[:limit], &cursor
}

// DefaultLimit is how long a page is where the caller does not say.
const DefaultLimit = 50

// List describes a list of the API: rows R in the order of Key, shown as models M.
type List[R, M any] struct {
	Name  string         // names the list in its cursors; a cursor of another list is refused
	Key   func(R) string // the sort key, which a cursor holds
	Model func(R) M
	// Read returns up to limit rows after the row whose key is after, from the first one
	// where after is empty.
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

// rememberURL keeps what was asked for, for Link.
func rememberURL(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), urlKey{}, r.URL)))
		return next(c)
	}
}

// Link returns the Link header of a page (RFC 8288): the request that ctx belongs to,
// going on after next. nil where there is no more.
func Link(ctx context.Context, next *string) *string {
	asked, ok := ctx.Value(urlKey{}).(*url.URL)
	if next == nil || !ok {
		return nil
	}
	query := asked.Query()
	query.Set("after", *next)
	link := "<" + asked.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
	return &link
}
