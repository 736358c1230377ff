package edge

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// readMethods are the methods of what is only looked at (RFC 9110, section 9.1: whoever
// has GET has HEAD).
var readMethods = []string{http.MethodGet, http.MethodHead}

// refusedRoute names a route that is there to be refused.
const refusedRoute = "refused"

// refuseOthers has each path of e that takes some methods refuse the rest, and tell
// which it takes (RFC 9110, section 15.5.6). echo would do so itself, but not beside
// routes that catch whatever is not found. What comes back refuses by path.
func refuseOthers(e *echo.Echo) map[string]echo.HandlerFunc {
	taken := map[string][]string{}
	for _, r := range e.Routes() {
		if r.Method != echo.RouteNotFound {
			taken[r.Path] = append(taken[r.Path], r.Method)
		}
	}
	refusals := map[string]echo.HandlerFunc{}
	for path, methods := range taken {
		slices.Sort(methods)
		refusals[path] = refuseExcept(append(slices.Clone(methods), http.MethodOptions))
		for _, method := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace,
		} {
			if !slices.Contains(methods, method) {
				e.Add(method, path, refusals[path]).Name = refusedRoute
			}
		}
	}
	return refusals
}

// notFound is found, or the path is there and the method is one that nobody has heard of:
// then it is as if it had been TRACE, which no path takes.
func (s *Server) notFound(c echo.Context) error {
	asTrace := s.e.NewContext(c.Request(), c.Response())
	s.e.Router().Find(http.MethodTrace, echo.GetPath(c.Request()), asTrace)
	if refuse, has := s.refusals[asTrace.Path()]; has {
		return refuse(c)
	}
	return errPathUnknown()
}

// refuseExcept says which methods there are, to who asks for that and to who takes
// another.
func refuseExcept(methods []string) echo.HandlerFunc {
	allow := strings.Join(methods, ", ")
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderAllow, allow)
		if c.Request().Method == http.MethodOptions {
			return c.NoContent(http.StatusNoContent)
		}
		return echo.ErrMethodNotAllowed
	}
}
