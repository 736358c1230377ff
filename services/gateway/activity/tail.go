package activity

import (
	"context"
	"log/slog"
	"time"
)

// tail reads new activity from the table for the streams of this instance, whichever
// instance records it. Readers of this process wake it; it polls for those of others.
// Without streams it does not query.
type tail struct {
	store  *store
	hub    *hub
	log    *slog.Logger
	poll   time.Duration
	wakeup chan struct{} // of size 1
}

// tailPage is the number of activities read at a time.
const tailPage = 1000

// wake signals that there may be new activity. It does not block.
func (t *tail) wake() {
	select {
	case t.wakeup <- struct{}{}:
	default:
	}
}

// run follows the table until ctx ends, while there are streams.
func (t *tail) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.hub.joined:
		}
		t.follow(ctx)
	}
}

// follow pushes new activity until there are no streams. It retries failed reads; the
// streams wait.
func (t *tail) follow(ctx context.Context) {
	const retry = 500 * time.Millisecond
	last, begun, failing := int64(0), false, false
	for ctx.Err() == nil && !t.hub.stopIfIdle() {
		var err error
		wait := t.poll
		switch {
		case !begun:
			if last, err = t.begin(ctx); err == nil {
				begun, wait = true, 0
			}
		default:
			var more bool
			if last, more, err = t.step(ctx, last); more {
				wait = 0
			}
		}
		if err != nil {
			wait = retry
			if !failing && ctx.Err() == nil {
				t.log.Warn("activity cannot be read; streams wait", "error", err)
			}
		}
		failing = err != nil
		t.pause(ctx, wait)
	}
}

// begin starts a ring's size before the end, so that clients that lost their
// connection together resume from memory.
func (t *tail) begin(ctx context.Context) (last int64, err error) {
	if last, err = t.store.head(ctx); err != nil {
		return 0, err
	}
	last = max(0, last-t.hub.size())
	t.hub.reset(last)
	return last, nil
}

// step pushes up to a page of activity after last.
func (t *tail) step(ctx context.Context, last int64) (now int64, more bool, err error) {
	activities, err := t.store.after(ctx, last, tailPage)
	if err != nil || len(activities) == 0 {
		return last, false, err
	}
	if activities[0].Seq != last+1 {
		now = activities[0].Seq - 1
		t.hub.reset(now) // the missing activity was pruned before this instance read it, or never recorded
		return now, true, nil
	}
	o, err := t.store.origin(ctx)
	if err != nil {
		return last, false, err
	}
	news := contiguousAfter(o.renderAll(activities), last)
	t.hub.push(news)
	return news[len(news)-1].Seq, len(news) < len(activities) || len(activities) == tailPage, nil
}

// pause waits for d, for wake or for the end of ctx.
func (t *tail) pause(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-t.wakeup:
	case <-timer.C:
	}
}
