package heroku_test

import (
	"context"
	"errors"
	"testing"
	"time"
)

// patience is how long something may take to come about.
const patience = time.Minute

// eventually waits until something is so.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		if last == nil || ctx.Err() == nil { // not that time was up
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not so within %s: %s: %v", patience, what, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var errNotYet = errors.New("not yet")
