package rest

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestOutliveEndsWithProcessNotWithCaller(t *testing.T) {
	stop, stopped := context.WithCancelCause(t.Context())
	caller, leave := context.WithTimeout(context.WithValue(t.Context(), stopKey{}, "of another"), time.Hour)
	ctx, end := WithStop(caller, stop)
	defer end()
	alone, over := Outlive(ctx)
	defer over()
	leave()
	<-ctx.Done()
	if _, has := alone.Deadline(); alone.Err() != nil || !has {
		t.Errorf("it ended with its caller: %v, deadline %t", alone.Err(), has)
	}
	stopped(ErrStopping)
	<-alone.Done()
	if !errors.Is(context.Cause(alone), ErrStopping) {
		t.Errorf("the cause is %v, want ErrStopping", context.Cause(alone))
	}
	if plain, end := Outlive(caller); plain.Err() != nil {
		t.Error("without a stop it ended with its caller")
	} else {
		end()
	}
}
