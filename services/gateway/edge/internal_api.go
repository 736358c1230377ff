package edge

import (
	"crypto/subtle"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"
)

// internalPrefix is the public base path of the internal API: the endpoints that the
// gateway has like every service.
const internalPrefix = "/internal"

// internalRoutes adds /internal for requests with a token, and the health checks for all
// requests.
func (s *Server) internalRoutes() {
	s.e.RouteNotFound(internalPrefix+"/*", func(c echo.Context) error {
		if !s.isInternal(c.Request()) {
			return errPathUnknown()
		}
		http.StripPrefix(internalPrefix, s.internal).ServeHTTP(c.Response(), c.Request())
		return nil
	})
	s.e.RouteNotFound("/healthz", func(c echo.Context) error {
		s.internal.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	s.e.RouteNotFound("/readyz", func(c echo.Context) error {
		s.readiness(c.Response(), c.Request())
		return nil
	})
}

// rateKey returns a function that returns the key under which the rate limit counts a
// request, or "" if it does not count. Liveness checks and internal requests do not
// count, so that others cannot starve them. Readiness checks count apart from other
// requests, unless they carry a wrong token, which may be a guess.
func (s *Server) rateKey(address func(*http.Request) string) func(*http.Request) string {
	return func(r *http.Request) string {
		path := r.URL.Path
		internal := path == "/readyz" || strings.HasPrefix(path, internalPrefix+"/")
		switch {
		case path == "/healthz", internal && s.isInternal(r):
			return ""
		case path == "/readyz" && r.Header.Get("Authorization") == "":
			return "readyz " + address(r)
		default:
			return address(r)
		}
	}
}

// readiness responds whether the gateway is ready. Only internal requests learn the
// reasons.
func (s *Server) readiness(w http.ResponseWriter, r *http.Request) {
	if s.isInternal(r) {
		s.internal.ServeHTTP(w, r)
		return
	}
	whole := httptest.NewRecorder()
	s.internal.ServeHTTP(whole, r)
	status := "ready"
	switch whole.Code {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		status = "not_ready"
	default: // the check itself failed
		maps.Copy(w.Header(), whole.Header())
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(whole.Code)
	_, _ = fmt.Fprintf(w, "{\"status\":%q}\n", status)
}

// isInternal reports whether the request carries the internal or the local token. The
// peer address is no evidence: behind a proxy all requests may come from this machine.
func (s *Server) isInternal(r *http.Request) bool {
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return matchesSecret(given, s.cfg.InternalToken) || matchesSecret(given, s.cfg.LocalToken)
}

// matchesSecret compares in constant time. An empty secret never matches.
func matchesSecret(given, secret string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(given), []byte(secret)) == 1
}
