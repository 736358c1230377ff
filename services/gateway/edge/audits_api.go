package edge

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/shop/audit"
)

// auditView is an audit, as the API shows it.
type auditView struct {
	ID         string          `json:"id"`
	Status     string          `json:"status"`
	StartedAt  time.Time       `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Clean      *bool           `json:"clean,omitempty"`  // once it is done
	Report     json.RawMessage `json:"report,omitempty"` // once it is done: internal/shop/audit's
	Error      string          `json:"error,omitempty"`  // where it failed
}

func newAuditView(a Audit) auditView {
	v := auditView{ID: a.ID, Status: a.Status, StartedAt: a.StartedAt, FinishedAt: a.FinishedAt}
	switch a.Status {
	case auditFailed:
		v.Error = a.Report
	case auditDone:
		v.Report = json.RawMessage(a.Report)
		var r audit.Report
		clean := json.Unmarshal(v.Report, &r) == nil && r.Clean()
		v.Clean = &clean
	}
	return v
}

func auditRoutes(api *echo.Group, runner *AuditRunner) {
	api.POST("/ops/audit", func(c echo.Context) error {
		a, err := runner.Start(c.Request().Context(), callerOf(c).ID())
		if err != nil {
			return err
		}
		c.Response().Header().Set("Location", prefix+"/ops/audits/"+a.ID)
		return c.JSON(http.StatusAccepted, newAuditView(a))
	})
	api.Match(readMethods, "/ops/audits/:id", func(c echo.Context) error {
		a, err := runner.Get(c.Request().Context(), c.Param("id"))
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, newAuditView(a))
	})
}
