package events

import "context"

// Cause says why something happens: what an event that comes of it is to carry
// as correlation, causation and trace.
type Cause struct {
	CorrelationID string
	CausationID   string
	TraceParent   string
}

type causeKey struct{}

// WithCause returns a context whose changes are caused by c.
func WithCause(ctx context.Context, c Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// CausedBy returns a context whose changes are caused by e: they keep its
// correlation and name it as their cause.
func CausedBy(ctx context.Context, e Event) context.Context {
	return WithCause(ctx, Cause{CorrelationID: e.CorrelationID, CausationID: e.ID, TraceParent: e.TraceParent})
}

// CauseOf returns the cause that ctx carries, or the zero Cause.
func CauseOf(ctx context.Context) Cause {
	c, _ := ctx.Value(causeKey{}).(Cause)
	return c
}

// Stamp fills in why e happened, from ctx, unless that was done before. An
// event that nothing caused starts a correlation of its own.
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
