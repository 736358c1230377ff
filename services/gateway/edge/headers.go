package edge

import (
	"maps"
	"net/http"
	"net/textproto"

	"github.com/labstack/echo/v4"

	"quadrille/services/gateway/idempotency"
)

// requestHeaders returns the headers that are forwarded to a service. All others are
// dropped: services trust the gateway and could mistake a caller's header for its own.
func requestHeaders(in http.Header, method string) http.Header {
	names := []string{
		"Accept", "Accept-Language", "Content-Type", "If-Match", "If-None-Match", "Traceparent", "User-Agent", echo.HeaderXRequestID,
	}
	if method == http.MethodPost {
		names = append(names, idempotency.Header) // its value is the key's scope
	}
	return pick(in, names)
}

// responseHeaders returns the headers of a service's response that are passed on. The
// gateway itself sets the headers that instruct browsers.
func responseHeaders(h http.Header) http.Header {
	return pick(h, []string{
		"Allow", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "Etag",
		"Idempotency-Replayed", "Last-Modified", "Link", "Location", "Retry-After",
	})
}

// pick returns the headers with these names.
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

// finalResponse buffers the headers of a service's response until its final status is
// known. It drops interim responses (1xx), which echo would take for the final one.
type finalResponse struct {
	*echo.Response

	header http.Header
}

// Header implements http.ResponseWriter.
func (f finalResponse) Header() http.Header { return f.header }

// WriteHeader implements http.ResponseWriter.
func (f finalResponse) WriteHeader(status int) {
	if status < http.StatusOK {
		return
	}
	to := f.Response.Header()
	maps.Copy(to, responseHeaders(f.header))
	for _, vary := range f.header.Values("Vary") {
		to.Add("Vary", vary) // added to the gateway's own
	}
	f.Response.WriteHeader(status)
}
