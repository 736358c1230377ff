package edge

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/services/gateway/auth"
)

// KeyRoutes adds the endpoints that manage API keys. The caller must authorize the
// requests.
func KeyRoutes(api *echo.Group, keys auth.Keyring) {
	api.Match(readMethods, "/ops/keys", func(c echo.Context) error {
		items, err := keys.Keys(c.Request().Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, auth.KeyList{Items: items})
	})
	api.POST("/ops/keys", func(c echo.Context) error { return createKey(c, keys) })
	api.DELETE("/ops/keys/:id", func(c echo.Context) error {
		key, err := keys.Revoke(c.Request().Context(), c.Param("id"))
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, key)
	})
}

func createKey(c echo.Context, keys auth.Keyring) error {
	var request auth.KeyRequest
	if err := readJSON(c, &request); err != nil {
		return err
	}
	created, err := keys.Create(c.Request().Context(), request)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", prefix+"/ops/keys/"+created.ID)
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusCreated, created)
}
