package edge

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
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

// Audit is a row: an audit and its result.
type Audit struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	AskedBy    string
	StartedAt  time.Time
	FinishedAt *time.Time
	Report     string // JSON of audit.Report where done; the error where failed
}

// AuditRunner runs audits in the background. It is safe for concurrent use. One runs
// at a time in a process: an audit reads everything from every service.
type AuditRunner struct {
	DB   *gorm.DB
	Log  *slog.Logger
	Shop audit.Config
	Wait time.Duration // until the shop is at rest

	mu      sync.Mutex
	running bool
	life    context.Context // ends with Run
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
	r.mu.Lock() // nothing begins any more: Ask has seen the end, or its work is counted
	r.life = nil
	r.mu.Unlock()
	r.work.Wait()
	return nil
}

// Start begins an audit. It returns a fault (Conflict) while one runs, and one
// (Unavailable) while the runner does not run.
func (r *AuditRunner) Start(ctx context.Context, by string) (Audit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.life == nil || r.life.Err() != nil:
		return Audit{}, fault.New(fault.Unavailable, "draining", "this instance stops; another one answers")
	case r.running:
		return Audit{}, fault.New(fault.Conflict, "audit_running", "an audit is running; wait for it")
	}
	a := Audit{ID: uuid.NewString(), Status: auditRunning, AskedBy: by, StartedAt: time.Now().UTC().Truncate(time.Microsecond)}
	if err := r.DB.WithContext(ctx).Create(&a).Error; err != nil {
		return Audit{}, db.Wrap(err, "keep audit")
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
	r.running = false // before it can be seen to have ended: whoever sees that may ask for another
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

// Get returns an audit. One that runs for longer than auditTimeout and a minute is
// returned as failed: its process is gone.
func (r *AuditRunner) Get(ctx context.Context, id string) (Audit, error) {
	var a Audit
	unknown := fault.New(fault.NotFound, "audit_unknown", "there is no audit %s", id)
	if uuid.Validate(id) != nil { // a database may not even take it
		return a, unknown
	}
	found := r.DB.WithContext(ctx).Limit(1).Find(&a, "id = ?", id)
	switch {
	case found.Error != nil:
		return a, db.Wrap(found.Error, "read audit")
	case found.RowsAffected == 0:
		return a, unknown
	case a.Status == auditRunning && time.Since(a.StartedAt) > auditTimeout+time.Minute:
		a.Status, a.Report = auditFailed, "the gateway that ran it is gone"
	}
	return a, nil
}
