// Package restclient has the common code of the services' typed clients: it converts a
// response to a value or a fault, and a paged list to one sequence.
package restclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"

	"quadrille/pkg/fault"
)

// PageSize is the page length that clients request: the maximum of the APIs.
const PageSize = 500

// keysPerQuery bounds the keys in one query, so that a URL stays below the 8 kB that
// servers and proxies accept.
const keysPerQuery = 100

// Answer is a successful response with its decoded body.
type Answer[T any] struct {
	Value  T
	Status int
	Header http.Header
}

// Read decodes the response of a generated client and closes it. The error is the fault of
// an unsuccessful response. If there is no response, the error is an Unavailable fault,
// unless err is context.Canceled.
func Read[T any](resp *http.Response, err error) (answer Answer[T], _ error) {
	if err != nil {
		return answer, unreachable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer, unreachable(err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return answer, fault.FromResponse(resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	answer.Status, answer.Header = resp.StatusCode, resp.Header
	if resp.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	if err := json.Unmarshal(body, &answer.Value); err != nil {
		return answer, fmt.Errorf("read answer: %w", err)
	}
	return answer, nil
}

// unreachable returns an Unavailable fault that wraps err, so that callers can recognise the
// end of their own context.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errors.Join(fault.New(fault.Unavailable, "unreachable", "no answer: %v", err), err)
}

// Page is one page of a list. Next is the cursor of the next page, nil for the last one.
type Page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// Each iterates over all items of a list and fetches pages as needed. An error ends the
// sequence.
func Each[T any](page func(after *string) (*http.Response, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var after *string
		for {
			answer, err := Read[Page[T]](page(after))
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range answer.Value.Items {
				if !yield(item, nil) {
					return
				}
			}
			if after = answer.Value.Next; after == nil {
				return
			}
		}
	}
}

// Refused is an error that names the keys that the owner refuses for their own sake, each
// with the owner's fault. The items of all other keys were fetched.
type Refused map[string]error

// Error names the number of keys and one of the faults.
func (r Refused) Error() string {
	for key, err := range r {
		return fmt.Sprintf("the owner refuses %d keys, among them %q: %v", len(r), key, err)
	}
	return "the owner refuses no key"
}

// Unwrap returns the owner's faults.
func (r Refused) Unwrap() []error { return slices.Collect(maps.Values(r)) }

// ByKeys fetches the items with these keys, a hundred per request. It skips keys without an
// item, whether the list omits the item or the owner responds with 404 or 410 and a problem
// document. If the owner refuses a request because of some keys, ByKeys bisects its keys,
// fetches the items of the others, and returns them with a Refused error.
func ByKeys[T any](keys []string, page func(keys []string) (*http.Response, error)) ([]T, error) {
	items := make([]T, 0, len(keys))
	refused := Refused{}
	for start := 0; start < len(keys); start += keysPerQuery {
		found, err := some[T](keys[start:min(start+keysPerQuery, len(keys))], page, refused)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	if len(refused) > 0 {
		return items, refused
	}
	return items, nil
}

// some fetches the items of keys with one request. If the owner refuses the request because
// of an item, some bisects keys to find that item. It adds keys that the owner refuses to
// refused, but for those whose item is gone.
func some[T any](keys []string, page func(keys []string) (*http.Response, error), refused Refused) ([]T, error) {
	answer, err := Read[Page[T]](page(keys))
	switch {
	case !gone(err) && !ownFault(err):
		return answer.Value.Items, err
	case len(keys) == 1 && gone(err):
		return nil, nil
	case len(keys) == 1:
		refused[keys[0]] = err
		return nil, nil
	}
	half := len(keys) / 2
	first, err := some[T](keys[:half], page, refused)
	if err != nil {
		return nil, err
	}
	second, err := some[T](keys[half:], page, refused)
	return append(first, second...), err
}

// ownFault reports whether the owner refused a request because of its content. A response
// without a problem document, or to a request without the right token, says nothing about
// the keys.
func ownFault(err error) bool {
	var f *fault.Fault
	return errors.As(err, &f) && f.Code != fault.CodeUnexpected &&
		fault.Is(f, fault.Malformed, fault.Conflict, fault.Stale, fault.TooLarge, fault.Invalid)
}

// gone reports whether the owner responded that an item does not exist. A 404 without a
// problem document, or for an unknown path, comes from a wrong URL instead.
func gone(err error) bool {
	var f *fault.Fault
	return errors.As(err, &f) && (f.Kind == fault.NotFound || f.Kind == fault.Gone) &&
		f.Code != fault.CodeUnexpected && f.Code != "path_unknown"
}

// Ptr returns a pointer to v, for optional parameters.
func Ptr[T any](v T) *T { return &v }
