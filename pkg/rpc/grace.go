package rpc

import (
	"context"
	"sync"
	"time"
)

// usualGrace is how long a server that is told to end finishes what it is at, unless
// told otherwise.
const usualGrace = 5 * time.Second

// afterEnd is closed grace after ctx has ended. forget lets go of it before.
func afterEnd(ctx context.Context, grace time.Duration) (over <-chan struct{}, forget func()) {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		pause(late, grace)
		end()
	})
	return late.Done(), func() { stop(); end() }
}

// finished waits until all of working have ended, or over is closed.
func finished(working *sync.WaitGroup, over <-chan struct{}) bool {
	ended := make(chan struct{})
	go func() { working.Wait(); close(ended) }()
	select {
	case <-ended:
		return true
	case <-over:
		return false
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
