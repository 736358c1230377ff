package ready_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"quadrille/internal/platform/ready"
)

var errBroken = errors.New("it is broken")

// patient is the time after which trouble fails a check in these tests.
const patient = 20 * time.Second

// bench is a registry with one check, whose probe returns the finding that the test sets.
type bench struct {
	*ready.Registry

	mu    sync.Mutex
	finds ready.Finding
}

func begin(t *testing.T, check ready.Check) *bench {
	t.Helper()
	b := &bench{}
	check.Name = "relay"
	if check.Probe == nil {
		check.Probe = func(context.Context) ready.Finding {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.finds
		}
	}
	var err error
	b.Registry, err = ready.New(ready.Config{FailAfter: patient, Log: slog.New(slog.DiscardHandler)}, check)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return b
}

func (b *bench) find(f ready.Finding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finds = f
}

// is checks the state of the check.
func (b *bench) is(t *testing.T, want ready.State) ready.Result {
	t.Helper()
	r := b.Results(t.Context())[0]
	if r.State != want || r.OK == (want == ready.Failing || want == ready.Unknown) {
		t.Errorf("is %+v, want %s", r, want)
	}
	return r
}

func TestTroubleFailsOnlyWhenItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, ready.Check{Remedy: "mend it"})
		b.is(t, ready.OK)
		b.find(ready.Finding{Err: errBroken})
		time.Sleep(patient / 2)
		if r := b.is(t, ready.Suspect); r.Detail != errBroken.Error() || r.Since == nil || r.Remedy != "mend it" {
			t.Errorf("does not report the trouble: %+v", r)
		}
		b.find(ready.Finding{})
		time.Sleep(3 * time.Second)
		b.is(t, ready.OK)
		b.find(ready.Finding{Err: errBroken})
		time.Sleep(patient / 2)
		b.is(t, ready.Suspect) // the time starts again
		time.Sleep(patient)
		r := b.is(t, ready.Failing)
		if want := "relay: it is broken (mend it)"; r.Reason() != want {
			t.Errorf("the reason is %q, want %q", r.Reason(), want)
		}
	})
}

func TestFailedCheckPassesAfterSeveralGoodProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, ready.Check{Every: time.Second})
		b.find(ready.Finding{Err: errBroken})
		// Half a second apart from the probes: exactly one of them sees each finding below.
		time.Sleep(patient + 5*time.Second + time.Second/2)
		b.is(t, ready.Failing)
		b.find(ready.Finding{})
		time.Sleep(time.Second)
		b.find(ready.Finding{Err: errBroken})
		b.is(t, ready.Failing)
		time.Sleep(time.Second)
		b.is(t, ready.Failing)
		b.find(ready.Finding{Detail: "well"})
		time.Sleep(3 * time.Second)
		if r := b.is(t, ready.OK); r.Detail != "well" || r.Since != nil || r.Remedy != "" {
			t.Errorf("reports trouble that is over: %+v", r)
		}
	})
}

// A needed check fails without delay until it has passed once.
func TestNeededCheckFailsAtOnceBeforeFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, ready.Check{Needed: true, Probe: func(context.Context) ready.Finding { return ready.Finding{Err: errBroken} }})
		b.is(t, ready.Failing)
	})
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, ready.Check{Needed: true})
		b.is(t, ready.OK)
		b.find(ready.Finding{Err: errBroken})
		time.Sleep(3 * time.Second)
		b.is(t, ready.Suspect)
	})
}

// A finding may say when the trouble began, and how long to tolerate it.
func TestFindingOverridesSinceRemedyAndFailAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, ready.Check{})
		began := time.Now().Add(-time.Hour)
		b.find(ready.Finding{Err: errBroken, Since: began, Remedy: "wait"})
		time.Sleep(3 * time.Second)
		if r := b.is(t, ready.Failing); r.Since == nil || !r.Since.Equal(began.Truncate(time.Second)) || r.Remedy != "wait" {
			t.Errorf("is %+v, want since %s", r, began)
		}
		b.find(ready.Finding{Err: errBroken, Since: began, FailAfter: 2 * time.Hour})
		time.Sleep(5 * time.Second)
		b.is(t, ready.Suspect)
	})
}

func TestAdvisoryCheckKeepsServiceReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, ready.Check{Advisory: true})
		b.find(ready.Finding{Err: errBroken})
		time.Sleep(time.Hour)
		b.is(t, ready.Warning)
		if !ready.Ready(b.Known()) {
			t.Error("a warning makes the service unready")
		}
	})
}

// A probe that hangs fails its check, even if it ignores its context. Results does not wait
// for it.
func TestHangingProbeFailsCheck(t *testing.T) {
	for name, hang := range map[string]func(ctx context.Context, end <-chan struct{}){
		"until its context ends": func(ctx context.Context, _ <-chan struct{}) { <-ctx.Done() },
		"whatever its context":   func(_ context.Context, end <-chan struct{}) { <-end },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hangs atomic.Bool
				end := make(chan struct{})
				b := begin(t, ready.Check{Probe: func(ctx context.Context) ready.Finding {
					if hangs.Load() {
						hang(ctx, end)
						return ready.Finding{Err: context.Cause(ctx)}
					}
					return ready.Finding{}
				}})
				b.is(t, ready.OK)
				hangs.Store(true)
				time.Sleep(patient + 10*time.Second)
				asked := time.Now()
				b.is(t, ready.Failing)
				if took := time.Since(asked); took > 0 {
					t.Errorf("Results took %s", took)
				}
				hangs.Store(false)
				close(end)
				time.Sleep(10 * time.Second)
				b.is(t, ready.OK)
			})
		})
	}
}

// Before the first probe has ended, Results waits for at most 3 seconds.
func TestCheckIsUnknownBeforeFirstProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		b := begin(t, ready.Check{Probe: func(context.Context) ready.Finding { <-end; return ready.Finding{} }})
		asked := time.Now()
		b.is(t, ready.Unknown)
		if took := time.Since(asked); took > 3*time.Second {
			t.Errorf("Results took %s", took)
		}
		close(end)
		synctest.Wait()
		b.is(t, ready.OK)
	})
}

// A thousand concurrent calls of Results run no additional probe.
func TestResultsRunsNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes atomic.Int32
		b := begin(t, ready.Check{Probe: func(context.Context) ready.Finding { probes.Add(1); return ready.Finding{} }})
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() { b.Results(t.Context()) })
		}
		asking.Wait()
		if n := probes.Load(); n != 1 {
			t.Errorf("%d probes, want 1", n)
		}
	})
}
