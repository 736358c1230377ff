package edge

import (
	"maps"
	"net/http"
	"net/textproto"

	"github.com/labstack/echo/v4"

	"quadrille/services/gateway/idempotency"
)

// inward is what a service is told of a request. It trusts the gateway, so that
// whatever else was said might mean something to it that nobody outside may say.
func requestHeaders(in http.Header, method string) http.Header {
	names := []string{
		"Accept", "Accept-Language", "Content-Type", "If-Match", "If-None-Match", "Traceparent", "User-Agent", echo.HeaderXRequestID,
	}
	if method == http.MethodPost {
		names = append(names, idempotency.Header) // which is the key's scope by now
	}
	return pick(in, names)
}

// outward is what the caller is told of a service's answer: what belongs to the answer.
// How browsers may use it is the gateway's to say.
func responseHeaders(answer http.Header) http.Header {
	return pick(answer, []string{
		"Allow", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Etag",
		"Idempotency-Replayed", "Last-Modified", "Link", "Location", "Retry-After",
	})
}

// pick is the headers of these names.
func pick(h http.Header, names []string) http.Header {
	out := http.Header{}
	for _, name := range names {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if v := h[name]; len(v) > 0 {
			out[name] = v
		}
	}
	return out
}

// finalResponse is an answer on its way from a service: its headers are kept apart until it is
// clear that it is the last one. Interim ones (1xx), which echo takes for the answer
// itself, are left out.
type finalResponse struct {
	*echo.Response

	header http.Header
}

// Header is http.ResponseWriter's.
func (f finalResponse) Header() http.Header { return f.header }

// WriteHeader is http.ResponseWriter's.
func (f finalResponse) WriteHeader(status int) {
	if status < http.StatusOK {
		return
	}
	to := f.Response.Header()
	maps.Copy(to, responseHeaders(f.header))
	for _, vary := range f.header.Values("Vary") {
		to.Add("Vary", vary) // it varies by what the gateway looked at, too
	}
	f.Response.WriteHeader(status)
}
