package ops

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"quadrille/pkg/task"
)

// Task describes a periodic task of a service.
type Task struct {
	Name      string     `json:"name"`
	Schedule  string     `json:"schedule"`
	Next      time.Time  `json:"next"`      // of the next run; while the task runs, of the run after
	Requested *time.Time `json:"requested"` // when somebody asked for a run that has not started; null if nobody did
	Running   bool       `json:"running"`
	Owner     string     `json:"owner"`     // instance that runs the task; empty if none does
	Started   *time.Time `json:"started"`   // of the latest run; null before the first
	Last      *time.Time `json:"last"`      // start of the latest run that ended; null before the first
	Succeeded *time.Time `json:"succeeded"` // end of the latest run that succeeded; null before the first
	Outcome   string     `json:"outcome"`   // of the latest run that ended: succeeded, failed, timed_out or lost
	Duration  float64    `json:"duration"`  // of the latest run that ended, in seconds
	Error     string     `json:"error"`     // of the latest run that ended
	Found     string     `json:"found"`     // by the latest run that ended, in words; empty for most tasks
	Runs      int64      `json:"runs"`      // number of runs that ended
	Failures  int64      `json:"failures"`  // number of runs that ended since one succeeded
	Token     int64      `json:"token"`     // number of runs started
	Trouble   string     `json:"trouble"`   // why the task needs a person, as the check tasks has it; empty if it does not
}

// Tasks has all tasks of a service.
type Tasks struct {
	Items []Task `json:"items"`
}

func taskModel(r task.Row) Task {
	return Task{
		Name: r.Name, Schedule: r.Schedule, Next: r.NextAt.UTC(), Requested: utc(r.RequestedAt), Running: r.Owner != "", Owner: r.Owner,
		Started: utc(r.StartedAt), Last: utc(r.LastAt), Succeeded: utc(r.SucceededAt), Outcome: r.Outcome,
		Duration: float64(r.DurationMS) / 1000, Error: r.Error, Found: r.Found, Runs: r.Runs, Failures: r.Failures, Token: r.Token,
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	in := t.UTC()
	return &in
}

// Tasks returns the periodic tasks of the service.
func (c *Client) Tasks(ctx context.Context) (Tasks, error) {
	return ask[Tasks](ctx, c, http.MethodGet, "/tasks", nil, nil)
}

// RunTask makes the service run a task as soon as possible, and returns the task as it was
// before.
func (c *Client) RunTask(ctx context.Context, name string) (Task, error) {
	return ask[Task](ctx, c, http.MethodPost, "/tasks/"+url.PathEscape(name)+"/run", nil, nil)
}
