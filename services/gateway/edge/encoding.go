package edge

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// unpacked refuses a body that is packed: nobody here unpacks one, and what is looked
// at must be what the service will see.
func unpacked(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Content-Encoding"), ","), ",") {
			coding = strings.TrimSpace(coding)
			if r.ContentLength != 0 && coding != "" && !strings.EqualFold(coding, "identity") {
				return echo.NewHTTPError(http.StatusUnsupportedMediaType, "a body is sent as it is, without a Content-Encoding")
			}
		}
		return next(c)
	}
}
