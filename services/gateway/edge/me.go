package edge

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/services/gateway/auth"
)

// me is a caller, as the API shows one.
type me struct {
	Subject   string      `json:"subject"`
	Roles     []auth.Role `json:"roles"`
	Kind      auth.Kind   `json:"kind"`
	ExpiresAt *time.Time  `json:"expires_at,omitempty"`
}

func meOf(c auth.Caller) me {
	m := me{Subject: c.Subject, Roles: c.Roles, Kind: c.Kind}
	if !c.ExpiresAt.IsZero() {
		end := c.ExpiresAt.UTC()
		m.ExpiresAt = &end
	}
	return m
}

func getMe(c echo.Context) error {
	if err := requireRole(c, auth.AllRoles()...); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, meOf(callerOf(c)))
}
