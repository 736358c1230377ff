package edge

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/shop/audit"
	"quadrille/pkg/fault"
)

// Status of an audit.
const (
	auditRunning = "running"
	auditDone    = "done"
	auditFailed  = "failed" // a service did not respond, or the gateway stopped
)

// Audit is a row of the table audits: an audit and its result.
type Audit struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	AskedBy    string
	StartedAt  time.Time
	FinishedAt *time.Time
	Report     string // done: JSON of audit.Report; failed: the error
}

// AuditRunner runs audits in the background. It is safe for concurrent use. A process
// runs one at a time, because an audit reads all data of every service.
type AuditRunner struct {
	DB   *gorm.DB
	Log  *slog.Logger
	Shop audit.Config
	Wait time.Duration // maximum time to wait until all pending events are processed

	mu      sync.Mutex
	running bool
	life    context.Context // that of Run; nil: Run does not run
	work    sync.WaitGroup
}

// auditTimeout bounds an audit.
const auditTimeout = 10 * time.Minute

// Run accepts audits until ctx ends; then it cancels the running one and waits for it.
func (r *AuditRunner) Run(ctx context.Context) error {
	r.mu.Lock()
	r.life = ctx
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.life = nil // from here on Start refuses; work counts every audit that it started before
	r.mu.Unlock()
	r.work.Wait()
	return nil
}

// Start begins an audit on behalf of a caller. It returns a fault: Conflict while another
// audit runs, Unavailable while Run does not run.
func (r *AuditRunner) Start(ctx context.Context, by string) (Audit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.life == nil || r.life.Err() != nil:
		return Audit{}, fault.New(fault.Unavailable, "draining", "this instance is shutting down; try again")
	case r.running:
		return Audit{}, fault.New(fault.Conflict, "audit_running", "an audit is running; wait for it")
	}
	a := Audit{ID: uuid.NewString(), Status: auditRunning, AskedBy: by, StartedAt: time.Now().UTC().Truncate(time.Microsecond)}
	if err := r.DB.WithContext(ctx).Create(&a).Error; err != nil {
		return Audit{}, db.Wrap(err, "store audit")
	}
	r.running = true
	life := r.life
	r.work.Go(func() { r.audit(life, a) })
	return a, nil
}

// audit runs an audit and saves its result.
func (r *AuditRunner) audit(ctx context.Context, a Audit) {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	a.Status, a.Report = auditResult(audit.AtRest(ctx, r.Shop, r.Wait))
	r.mu.Lock()
	r.running = false // before the result is saved: who reads it may start another audit
	r.mu.Unlock()
	end := time.Now().UTC().Truncate(time.Microsecond)
	a.FinishedAt = &end
	const keepWithin = 3 * time.Second
	keeping, done := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer done()
	if err := r.DB.WithContext(keeping).Save(&a).Error; err != nil {
		r.Log.Error("result of an audit was not saved", "audit", a.ID, "error", err)
	}
}

func auditResult(report audit.Report, err error) (status, text string) {
	if err != nil {
		return auditFailed, err.Error()
	}
	marshalled, err := json.Marshal(report)
	if err != nil {
		return auditFailed, err.Error()
	}
	return auditDone, string(marshalled)
}

// Get returns an audit, or a fault (NotFound). An audit that is still running after
// auditTimeout and a minute is returned as failed: its process has died.
func (r *AuditRunner) Get(ctx context.Context, id string) (Audit, error) {
	var a Audit
	unknown := fault.New(fault.NotFound, "audit_unknown", "there is no audit %s", id)
	if uuid.Validate(id) != nil { // PostgreSQL refuses some bytes, such as NUL
		return a, unknown
	}
	found := r.DB.WithContext(ctx).Limit(1).Find(&a, "id = ?", id)
	switch {
	case found.Error != nil:
		return a, db.Wrap(found.Error, "read audit")
	case found.RowsAffected == 0:
		return a, unknown
	case a.Status == auditRunning && time.Since(a.StartedAt) > auditTimeout+time.Minute:
		a.Status, a.Report = auditFailed, "the gateway process that ran it has died"
	}
	return a, nil
}

// PruneAudits deletes up to limit audits that were started before a time, and returns their
// number.
func PruneAudits(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	old := tx.Model(&Audit{}).Select("id").Where("started_at < ?", before.UTC()).Order("started_at").Limit(limit)
	pruned := tx.Where("id IN (?)", old).Delete(&Audit{})
	return pruned.RowsAffected, db.Wrap(pruned.Error, "prune audits")
}

// auditView is the API's representation of an audit.
type auditView struct {
	ID         string          `json:"id"`
	Status     string          `json:"status"`
	StartedAt  time.Time       `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Clean      *bool           `json:"clean,omitempty"`  // if done
	Report     json.RawMessage `json:"report,omitempty"` // if done: an audit.Report
	Error      string          `json:"error,omitempty"`  // if failed
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
