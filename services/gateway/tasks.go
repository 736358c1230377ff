package gateway

import (
	"time"

	"quadrille/internal/platform/app"
	"quadrille/pkg/task"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/edge"
	"quadrille/services/gateway/idempotency"
)

// Names of the gateway's own tasks, besides those of its activity.
const (
	pruneAnswers = "prune_answers"
	pruneAudits  = "prune_audits"
)

// tasks returns the periodic tasks, besides those of the activity.
func tasks(keep app.Keep) []task.Task {
	all := []task.Task{app.PruneTask(pruneAnswers, time.Minute, idempotency.Keep, idempotency.Prune)}
	if keep.Audits > 0 {
		all = append(all, app.PruneTask(pruneAudits, time.Hour, keep.Audits, edge.PruneAudits))
	}
	return all
}

// tables declares what keeps each table from growing for ever.
func tables() []app.Table {
	return []app.Table{
		{Name: "activity", Task: activity.PruneActivity, Age: "GATEWAY_EVENTS_KEEP"},
		{Name: "activity_head", Bound: "one row"},
		{Name: "activity_origin", Bound: "one row"},
		{Name: "answers", Task: pruneAnswers, Age: "24 h, as the public document promises"},
		{Name: "api_keys", Bound: "one row per key that staff created; a revoked one stays as a record"},
		{Name: "audits", Task: pruneAudits, Age: "AUDITS_KEEP"},
		{Name: "lags", Task: activity.PruneLags, Age: "24 h, the length of the longest chart"},
		{Name: "secrets", Bound: "one row per kind of secret"},
	}
}
