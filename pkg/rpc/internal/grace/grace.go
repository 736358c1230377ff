// Package grace bounds how long a server that was told to stop finishes the requests
// in progress.
package grace

import (
	"context"
	"sync"
	"time"
)

// Default is the time for which servers wait for requests in progress unless configured.
const Default = 5 * time.Second

// After returns a channel that is closed d after ctx has ended. release frees its
// timer earlier.
func After(ctx context.Context, d time.Duration) (over <-chan struct{}, release func()) {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		Pause(late, d)
		end()
	})
	return late.Done(), func() { stop(); end() }
}

// Wait returns true once all of working have ended, and false if over is closed
// first.
func Wait(working *sync.WaitGroup, over <-chan struct{}) bool {
	ended := make(chan struct{})
	go func() { working.Wait(); close(ended) }()
	select {
	case <-ended:
		return true
	case <-over:
		return false
	}
}

// Pause waits for d or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
