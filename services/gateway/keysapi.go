package gateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/services/gateway/identity"
)

// apiKey is a key, as the API shows one.
type apiKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Roles      []string   `json:"roles"`
	Subject    string     `json:"subject,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	// Key is what its owner sends; shown once, when it is made.
	Key string `json:"key,omitempty"`
}

func apiKeyOf(row identity.APIKey) apiKey {
	return apiKey{
		ID: row.ID, Name: row.Name, Roles: strings.Split(row.Roles, ","), Subject: row.Subject,
		CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, RevokedAt: row.RevokedAt, LastUsedAt: row.LastUsedAt,
	}
}

// keyRoutes is keys, for staff and for the command on this machine.
func keyRoutes(api *echo.Group, keys *identity.Keys) {
	api.GET("/ops/keys", func(c echo.Context) error {
		rows, err := keys.List(c.Request().Context())
		if err != nil {
			return err
		}
		items := make([]apiKey, len(rows))
		for i, row := range rows {
			items[i] = apiKeyOf(row)
		}
		return c.JSON(http.StatusOK, map[string]any{"items": items})
	})
	api.POST("/ops/keys", func(c echo.Context) error { return createKey(c, keys) })
	api.DELETE("/ops/keys/:id", func(c echo.Context) error {
		row, err := keys.Revoke(c.Request().Context(), c.Param("id"))
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, apiKeyOf(row))
	})
}

func createKey(c echo.Context, keys *identity.Keys) error {
	var asked struct {
		Name      string     `json:"name"`
		Roles     []string   `json:"roles"`
		Subject   string     `json:"subject"`
		ExpiresAt *time.Time `json:"expires_at"`
	}
	if err := readJSON(c, &asked); err != nil {
		return err
	}
	roles, err := identity.ParseRoles(asked.Roles)
	if err != nil {
		return err
	}
	row, text, err := keys.Create(c.Request().Context(), identity.NewKey{Name: asked.Name, Roles: roles, Subject: asked.Subject, ExpiresAt: asked.ExpiresAt})
	if err != nil {
		return err
	}
	made := apiKeyOf(row)
	made.Key = text
	c.Response().Header().Set("Location", prefix+"/ops/keys/"+row.ID)
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusCreated, made)
}
