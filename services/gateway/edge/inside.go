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

// internalPrefix is where what is inside is reached from outside.
const internalPrefix = "/internal"

// internalRoutes lead to what is inside. Health is for everybody, but why something is
// not well for those inside.
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

// rateKey is whose requests one counts with, by its address; nobody's where it is not
// counted. Whether the process lives is asked by whoever restarts it, and must not
// depend on what others ask; so little must those inside. Whether it is ready is
// counted apart, unless a token comes along that is wrong: that is a guess.
func (s *Server) rateKey(address func(*http.Request) string) func(*http.Request) string {
	return func(r *http.Request) string {
		path := r.URL.Path
		asksInside := path == "/readyz" || strings.HasPrefix(path, internalPrefix+"/")
		switch {
		case path == "/healthz", asksInside && s.isInternal(r):
			return ""
		case path == "/readyz" && r.Header.Get("Authorization") == "":
			return "readyz " + address(r)
		default:
			return address(r)
		}
	}
}

// readiness is whether the gateway is ready. Why not is told those inside alone.
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
	default: // it was not asked whether it is ready
		maps.Copy(w.Header(), whole.Header())
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(whole.Code)
	_, _ = fmt.Fprintf(w, "{\"status\":%q}\n", status)
}

// isInternal: whoever asks shows what only those inside have. Where it comes from proves
// nothing: behind a proxy everybody comes from this machine.
func (s *Server) isInternal(r *http.Request) bool {
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return matchesSecret(given, s.cfg.InternalToken) || matchesSecret(given, s.cfg.LocalToken)
}

// matchesSecret: a secret that is none is shown by nobody.
func matchesSecret(given, secret string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(given), []byte(secret)) == 1
}
