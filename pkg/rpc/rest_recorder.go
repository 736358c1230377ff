package rpc

import "net/http"

// recorder is the http.ResponseWriter whose answer becomes a result. It gives up
// on one that grows too large, or that is flushed, since who flushes streams.
type recorder struct {
	header  http.Header
	abandon func() // ends the request's context
	status  int    // 0 until it is written
	sent    http.Header
	body    []byte
	tooMuch bool
}

// Header is http.ResponseWriter's.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader is http.ResponseWriter's. Only the first final status counts.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status, w.sent = status, travelling(w.header)
	}
}

// Write is http.ResponseWriter's.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.tooMuch || len(w.body)+len(p) > maxBody {
		w.giveUp()
		return 0, errTooLarge
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// Flush is http.Flusher's.
func (w *recorder) Flush() {
	w.WriteHeader(http.StatusOK)
	w.giveUp()
}

func (w *recorder) giveUp() {
	w.tooMuch, w.body = true, nil
	w.abandon()
}

// answer is what was written for a request by method.
func (w *recorder) answer(method string) carriedResponse {
	w.WriteHeader(http.StatusOK)
	if w.tooMuch {
		return tooLarge("answer_too_large", "the answer to this request")
	}
	if method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		w.body = nil // they have none (RFC 9110, section 6.4.1)
	}
	if w.sent.Get("Content-Type") == "" && len(w.body) > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(w.body))
	}
	return carriedResponse{Status: w.status, Header: w.sent, Body: w.body}
}
