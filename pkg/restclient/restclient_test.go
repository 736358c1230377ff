package restclient_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"quadrille/pkg/fault"
	"quadrille/pkg/restclient"
)

// owner serves an item for every key, except for keys that begin with "gone": a request for
// such a key gets status and document.
func owner(t *testing.T, status int, document string) (ask func(keys []string) (*http.Response, error), asked *int) {
	t.Helper()
	asked = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		keys := r.URL.Query()["key"]
		if slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "gone") }) {
			if document != "" {
				w.Header().Set("Content-Type", fault.ProblemType)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, document)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": keys})
	}))
	t.Cleanup(server.Close)
	return func(keys []string) (*http.Response, error) {
		return http.Get(server.URL + "?key=" + strings.Join(keys, "&key=")) //nolint:noctx // ends with the server
	}, asked
}

func keys(n int, gone ...int) (all []string) {
	for i := range n {
		if slices.Contains(gone, i) {
			all = append(all, fmt.Sprint("gone", i))
		} else {
			all = append(all, fmt.Sprint("k", i))
		}
	}
	return all
}

func TestByKeysOmitsItemsThatAreGone(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		ask, asked := owner(t, status, `{"code":"sku_unknown","detail":"no"}`)
		found, err := restclient.ByKeys[string](keys(250, 0, 120, 121, 249), ask)
		if err != nil || len(found) != 246 {
			t.Errorf("%d: found %d, %v; want 246", status, len(found), err)
		}
		if *asked > 60 {
			t.Errorf("asked %d times", *asked)
		}
	}
}

// A 404 without a problem document, or for an unknown path, comes from a wrong URL. Treated
// as the owner's answer it would remove every copy.
func TestByKeysReturnsErrorWhenURLIsWrong(t *testing.T) {
	for name, answer := range map[string]struct {
		status   int
		document string
	}{
		"no document":  {http.StatusNotFound, ""},
		"path unknown": {http.StatusNotFound, `{"code":"path_unknown","detail":"no"}`},
		"refused":      {http.StatusBadRequest, `{"code":"odd","detail":"no"}`},
		"away":         {http.StatusServiceUnavailable, `{"code":"away","detail":"no"}`},
	} {
		ask, _ := owner(t, answer.status, answer.document)
		if found, err := restclient.ByKeys[string](keys(10, 3), ask); err == nil {
			t.Errorf("%s: found %v without an error", name, found)
		}
	}
}
