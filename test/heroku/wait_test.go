package heroku_test

import (
	"context"
	"errors"
	"testing"
	"time"
)

// waitLimit bounds the wait for a condition.
const waitLimit = time.Minute

// eventually waits until check returns nil.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		if last == nil || ctx.Err() == nil { // keep the error from before the deadline
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: still not after %s: %v", what, waitLimit, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var errNotYet = errors.New("not yet")
