// Package restclient is what the typed clients of all services do alike: an
// answer becomes a value or a fault, a paged list becomes one sequence.
package restclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"quadrille/pkg/fault"
)

// PageSize is how many items a client asks for at a time: the most an API gives.
const PageSize = 500

// keysAtOnce is how many keys a client puts into one query, so that a URL stays
// below the 8 kB that servers and proxies take.
const keysAtOnce = 100

// Answer is a successful answer.
type Answer[T any] struct {
	Value  T
	Status int
	Header http.Header
}

// Read takes what a generated client call returns and reads it to the end. An
// answer that is no success, and a call that got no answer, are faults; the
// latter are Unavailable.
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

// unreachable keeps the cause, so that a caller whose own context ended can tell.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errors.Join(fault.New(fault.Unavailable, "unreachable", "no answer: %v", err), err)
}

// Page is one page of a list; Next goes on after it, nil at the end.
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

// ByKeys fetches the items with these keys, a hundred at a time. It skips keys without
// an item, whether the list omits the item or the owner answers 404 or 410 with a
// problem document.
func ByKeys[T any](keys []string, page func(keys []string) (*http.Response, error)) ([]T, error) {
	items := make([]T, 0, len(keys))
	for start := 0; start < len(keys); start += keysAtOnce {
		found, err := some[T](keys[start:min(start+keysAtOnce, len(keys))], page)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	return items, nil
}

// some asks for keys at once; where that is refused because something is gone, for
// halves of them, down to the one that is.
func some[T any](keys []string, page func(keys []string) (*http.Response, error)) ([]T, error) {
	answer, err := Read[Page[T]](page(keys))
	if !gone(err) {
		return answer.Value.Items, err
	}
	if len(keys) == 1 {
		return nil, nil
	}
	half := len(keys) / 2
	first, err := some[T](keys[:half], page)
	if err != nil {
		return nil, err
	}
	second, err := some[T](keys[half:], page)
	return append(first, second...), err
}

// gone: the owner says so. A 404 without a document, or for a path that nobody
// serves, is a call to the wrong place.
func gone(err error) bool {
	var f *fault.Fault
	return errors.As(err, &f) && (f.Kind == fault.NotFound || f.Kind == fault.Gone) &&
		f.Code != fault.CodeUnexpected && f.Code != "path_unknown"
}

// Ptr returns a pointer to v, for optional parameters.
func Ptr[T any](v T) *T { return &v }
