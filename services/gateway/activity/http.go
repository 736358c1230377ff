package activity

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"quadrille/pkg/fault"
)

// retrySeconds is the Retry-After of a response 503.
const retrySeconds = 5

// handler serves GET and HEAD, and writes errors as problem documents.
func handler(log *slog.Logger, answer func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, r, http.StatusMethodNotAllowed, fault.New(fault.Malformed, "method_not_allowed", "this path supports only GET and HEAD"))
			return
		}
		err := answer(w, r)
		if err == nil {
			return
		}
		var f *fault.Fault
		if !errors.As(err, &f) {
			log.Error("request failed", "path", r.URL.Path, "error", err)
			f = fault.New(fault.Unavailable, "notes_away", "the recorded activity is unavailable; try again in a moment")
		}
		writeProblem(w, r, statusOf(f), f)
	})
}

func statusOf(f *fault.Fault) int {
	if f.Code == codeTooMany {
		return http.StatusTooManyRequests
	}
	return f.Kind.Status()
}

func writeProblem(w http.ResponseWriter, r *http.Request, status int, f *fault.Fault) {
	w.Header().Set("Content-Type", fault.ProblemType)
	if f.Kind == fault.Unavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	writeJSON(w, r, status, f.Problem(status))
}

// writeDocument writes a document that caches must not keep.
func writeDocument(w http.ResponseWriter, r *http.Request, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, r, http.StatusOK, document)
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, document any) {
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(document) //nolint:errchkjson // all types encode; a write error means that the client has disconnected
	}
}
