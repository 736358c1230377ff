package edge

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// readMethods are the methods of a read-only resource. Servers must support HEAD where
// they support GET (RFC 9110, section 9.1).
var readMethods = []string{http.MethodGet, http.MethodHead}

// refusedRoute is the name of routes that refuse a method.
const refusedRoute = "refused"

// refuseOthers adds a route for each unsupported method of each path, which responds with
// 405 and Allow (RFC 9110, section 15.5.6). echo does this itself only if no route
// catches unknown paths. refuseOthers returns the handlers by path.
func refuseOthers(e *echo.Echo) map[string]echo.HandlerFunc {
	supported := map[string][]string{}
	for _, r := range e.Routes() {
		if r.Method != echo.RouteNotFound {
			supported[r.Path] = append(supported[r.Path], r.Method)
		}
	}
	refusals := map[string]echo.HandlerFunc{}
	for path, methods := range supported {
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

// notFound responds with 404, or with 405 if the path exists and only its method is
// unknown to the router.
func (s *Server) notFound(c echo.Context) error {
	asTrace := s.e.NewContext(c.Request(), c.Response())
	s.e.Router().Find(http.MethodTrace, echo.GetPath(c.Request()), asTrace)
	if refuse, has := s.refusals[asTrace.Path()]; has {
		return refuse(c)
	}
	return errPathUnknown()
}

// refuseExcept returns a handler that responds with Allow and 204 to OPTIONS, 405 to any
// other method.
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
