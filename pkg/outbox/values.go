package outbox

import (
	"context"

	"quadrille/pkg/events"
)

// Table is where the outbox is.
const Table = "outbox"

// Columns returns those that Values has values for.
func Columns() []string {
	return []string{"event_id", "type", "subject", "routing_key", "body", "created_at"}
}

// Values is Append for who sends the statements itself: a row of values, one for
// each of Columns, for each event. They belong into the transaction of the change.
func Values(ctx context.Context, news ...events.Event) ([][]any, error) {
	values := make([][]any, len(news))
	for i, e := range news {
		r, err := rowOf(ctx, e)
		if err != nil {
			return nil, err
		}
		values[i] = []any{r.EventID, r.Type, r.Subject, r.RoutingKey, r.Body, r.CreatedAt}
	}
	return values, nil
}
