package rest

import (
	"context"
	"errors"
)

// ErrStopping is why requests are called off: the process stops.
var ErrStopping = errors.New("the process is stopping")

// stopKey is what ends all requests, in the context of each.
type stopKey struct{}

// WithStop returns the context of a request that ends with stop, too, and for its reason.
func WithStop(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	ctx, end := endsWith(ctx, stop)
	return context.WithValue(ctx, stopKey{}, stop), end
}

// Outlive returns the context of a request whose caller may leave: it is worked on to its
// deadline, or until the process stops.
func Outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	alone, end := context.WithoutCancel(ctx), context.CancelFunc(func() {})
	if deadline, has := ctx.Deadline(); has {
		alone, end = context.WithDeadline(alone, deadline)
	}
	stop, has := ctx.Value(stopKey{}).(context.Context)
	if !has {
		return alone, end
	}
	alone, off := endsWith(alone, stop)
	return alone, func() { off(); end() }
}

func endsWith(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	off := context.AfterFunc(stop, func() { cancel(context.Cause(stop)) })
	return ctx, func() { off(); cancel(nil) }
}
