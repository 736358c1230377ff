// Package audits runs audits of the shop in the background and keeps what they
// found.
package audits

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"quadrille/internal/audit"
	"quadrille/internal/db"
	"quadrille/pkg/fault"
)

// What an audit may be.
const (
	Running = "running"
	Done    = "done"
	Failed  = "failed" // somebody could not be asked, or the gateway stopped meanwhile
)

// Audit is one audit, as it is kept.
type Audit struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	AskedBy    string
	StartedAt  time.Time
	FinishedAt *time.Time
	Report     string // JSON of audit.Report where done; what went wrong where failed
}

// Desk takes orders for audits. It is safe for concurrent use. One runs at a time in
// a process: each asks every service for everything.
type Desk struct {
	DB   *gorm.DB
	Log  *slog.Logger
	Shop audit.Config
	Wait time.Duration // for the shop to come to rest

	mu      sync.Mutex
	running bool
	life    context.Context // ends with Run
	work    sync.WaitGroup
}

// within is how long an audit may take.
const within = 10 * time.Minute

// Run lets audits be asked for until ctx ends; then it ends those that run.
func (d *Desk) Run(ctx context.Context) error {
	d.mu.Lock()
	d.life = ctx
	d.mu.Unlock()
	<-ctx.Done()
	d.mu.Lock() // nothing begins any more: Ask has seen the end, or its work is counted
	d.life = nil
	d.mu.Unlock()
	d.work.Wait()
	return nil
}

// Ask begins an audit. It is a fault (Conflict) to ask while one runs.
func (d *Desk) Ask(ctx context.Context, by string) (Audit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.life == nil || d.life.Err() != nil:
		return Audit{}, fault.New(fault.Unavailable, "draining", "this instance stops; another one answers")
	case d.running:
		return Audit{}, fault.New(fault.Conflict, "audit_running", "an audit is running; wait for it")
	}
	a := Audit{ID: uuid.NewString(), Status: Running, AskedBy: by, StartedAt: time.Now().UTC().Truncate(time.Microsecond)}
	if err := d.DB.WithContext(ctx).Create(&a).Error; err != nil {
		return Audit{}, db.Wrap(err, "keep audit")
	}
	d.running = true
	life := d.life
	d.work.Go(func() { d.take(life, a) })
	return a, nil
}

// take runs an audit and keeps what it found.
func (d *Desk) take(ctx context.Context, a Audit) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	a.Status, a.Report = found(audit.AtRest(ctx, d.Shop, d.Wait))
	d.mu.Lock()
	d.running = false // before it can be seen to have ended: whoever sees that may ask for another
	d.mu.Unlock()
	end := time.Now().UTC().Truncate(time.Microsecond)
	a.FinishedAt = &end
	const keepWithin = 3 * time.Second
	keeping, done := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer done()
	if err := d.DB.WithContext(keeping).Save(&a).Error; err != nil {
		d.Log.Error("what an audit found cannot be kept", "audit", a.ID, "error", err)
	}
}

func found(r audit.Report, err error) (status, report string) {
	if err != nil {
		return Failed, err.Error()
	}
	text, err := json.Marshal(r)
	if err != nil {
		return Failed, err.Error()
	}
	return Done, string(text)
}

// Get is an audit. One that has run for longer than any may is taken for failed: its
// process is gone.
func (d *Desk) Get(ctx context.Context, id string) (Audit, error) {
	var a Audit
	unknown := fault.New(fault.NotFound, "audit_unknown", "there is no audit %s", id)
	if uuid.Validate(id) != nil { // a database may not even take it
		return a, unknown
	}
	found := d.DB.WithContext(ctx).Limit(1).Find(&a, "id = ?", id)
	switch {
	case found.Error != nil:
		return a, db.Wrap(found.Error, "read audit")
	case found.RowsAffected == 0:
		return a, unknown
	case a.Status == Running && time.Since(a.StartedAt) > within+time.Minute:
		a.Status, a.Report = Failed, "the gateway that ran it is gone"
	}
	return a, nil
}
