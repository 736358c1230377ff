package activity

import (
	"context"
	"log/slog"
	"time"
)

// tail follows the table of notes for the streams of this instance, wherever the
// notes are taken: it is woken by readers of this process, and looks by itself now
// and then for those of others. While nobody listens it asks nothing.
type tail struct {
	store  *store
	hub    *hub
	log    *slog.Logger
	poll   time.Duration
	wakeup chan struct{} // of size 1
}

// tailPage is how many notes are read at a time.
const tailPage = 1000

// wake says that there may be new notes.
func (t *tail) wake() {
	select {
	case t.wakeup <- struct{}{}:
	default:
	}
}

// run follows the table until ctx ends, whenever somebody listens.
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

// follow pushes what comes, until nobody listens. What fails is tried again: the
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
				t.log.Warn("notes cannot be read; streams wait", "error", err)
			}
		}
		failing = err != nil
		t.pause(ctx, wait)
	}
}

// begin starts a little before the end, so that clients who lost their connection
// together find in memory what each would ask the table for.
func (t *tail) begin(ctx context.Context) (last int64, err error) {
	if last, err = t.store.head(ctx); err != nil {
		return 0, err
	}
	last = max(0, last-t.hub.size())
	t.hub.reset(last)
	return last, nil
}

// step pushes what comes after last, a page at the most.
func (t *tail) step(ctx context.Context, last int64) (now int64, more bool, err error) {
	notes, err := t.store.after(ctx, last, tailPage)
	if err != nil || len(notes) == 0 {
		return last, false, err
	}
	if notes[0].Seq != last+1 {
		now = notes[0].Seq - 1
		t.hub.reset(now) // what is missing was pruned before this instance came to read it, or never noted
		return now, true, nil
	}
	o, err := t.store.origin(ctx)
	if err != nil {
		return last, false, err
	}
	news := contiguousAfter(o.renderAll(notes), last)
	t.hub.push(news)
	return news[len(news)-1].Seq, len(news) < len(notes) || len(notes) == tailPage, nil
}

// pause waits for d, for news or for ctx.
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
