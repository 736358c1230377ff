package ops

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
	"quadrille/pkg/task"
)

// taskRoutes adds the endpoints for periodic tasks.
func (s *Server) taskRoutes(e *echo.Echo) {
	e.GET("/tasks", s.listTasks)
	e.POST("/tasks/:name/run", s.runTask)
}

func (s *Server) listTasks(c echo.Context) error {
	rows, err := s.Tasks.List(c.Request().Context())
	if err != nil {
		return err
	}
	tasks, troubles := rest.Map(rows, taskModel), s.Tasks.Troubles()
	for i := range tasks {
		if err := troubles[tasks[i].Name]; err != nil {
			tasks[i].Trouble = err.Error()
		}
	}
	return c.JSON(http.StatusOK, Tasks{Items: tasks})
}

// runTask asks for a run and responds with the task.
func (s *Server) runTask(c echo.Context) error {
	row, err := s.Tasks.Request(c.Request().Context(), c.Param("name"))
	switch {
	case errors.Is(err, task.ErrUnknown):
		return fault.New(fault.NotFound, "task_unknown", "%s has no task %.100q; GET /tasks lists the tasks", s.Service, c.Param("name"))
	case errors.Is(err, task.ErrRunning):
		return fault.New(fault.Conflict, "task_running", "the task runs in %s since %s; try again when it has ended", row.Owner, row.Since())
	case err != nil:
		return err
	}
	return c.JSON(http.StatusAccepted, taskModel(row))
}

// collectTasks sends the metrics of the tasks, as of the runner's last poll.
func (c *collector) collectTasks(out chan<- prometheus.Metric) {
	for _, s := range c.server.Tasks.Status() {
		of := prometheus.Labels{"task": s.Name}
		out <- gauge("quadrille_task_running", "1 while this instance runs the task.", truth(s.Here), of)
		out <- gauge("quadrille_task_failures", "Runs of the task since one succeeded.", float64(s.Failures), of)
		if s.Age >= 0 {
			out <- gauge("quadrille_task_age_seconds", "Seconds since the task succeeded; missing before it does.", s.Age.Seconds(), of)
		}
		for _, outcome := range []string{task.Succeeded, task.Failed, task.TimedOut, task.Lost} {
			runs := prometheus.NewDesc("quadrille_task_runs_total", "Runs that ended in this instance.", nil, prometheus.Labels{"task": s.Name, "outcome": outcome})
			out <- prometheus.MustNewConstMetric(runs, prometheus.CounterValue, float64(s.Ended[outcome]))
		}
	}
}
