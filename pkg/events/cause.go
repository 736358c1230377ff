package events

import "context"

// Cause has the correlation ID, causation ID and trace context for the events of a change.
type Cause struct {
	CorrelationID string
	CausationID   string
	TraceParent   string
}

type causeKey struct{}

// WithCause returns a context in which c is the cause of all changes.
func WithCause(ctx context.Context, c Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// CausedBy returns a context in which e is the cause of all changes: their events have e's
// correlation ID, and e's ID as causation ID.
func CausedBy(ctx context.Context, e Event) context.Context {
	return WithCause(ctx, Cause{CorrelationID: e.CorrelationID, CausationID: e.ID, TraceParent: e.TraceParent})
}

// CauseOf returns the cause in ctx, or the zero Cause.
func CauseOf(ctx context.Context) Cause {
	c, _ := ctx.Value(causeKey{}).(Cause)
	return c
}

// Stamp sets correlation ID, causation ID and trace context from ctx, unless e has a
// correlation ID already. Without a cause in ctx, e's own ID becomes its correlation ID.
func (e Event) Stamp(ctx context.Context) Event {
	if e.CorrelationID != "" {
		return e
	}
	c := CauseOf(ctx)
	e.CorrelationID, e.CausationID, e.TraceParent = c.CorrelationID, c.CausationID, c.TraceParent
	if e.CorrelationID == "" {
		e.CorrelationID = e.ID
	}
	return e
}
