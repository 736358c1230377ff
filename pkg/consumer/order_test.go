package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// journal writes a row for each event and remembers the order. Events named in bad fail.
type journal struct {
	mu      sync.Mutex
	bad     map[string]error // by "subject/version"
	made    []string         // effects that were committed or made, in order
	inFetch bool             // fail in Fetch, naming the subject, instead of in Apply
}

func name(e events.Event) string { return fmt.Sprintf("%s/%d", e.Subject, e.Version) }

func (j *journal) set(bad map[string]error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad = bad
}

func (j *journal) fails(e events.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bad[name(e)]
}

func (j *journal) Fetch(_ context.Context, batch []events.Event) (int, error) {
	unfit := consumer.Unfit{}
	for _, e := range batch {
		if err := j.fails(e); err != nil && (j.inFetch || consumer.Transient(err)) {
			if consumer.Transient(err) {
				return 0, err
			}
			unfit[e.Subject] = err
		}
	}
	if len(unfit) > 0 {
		return 0, unfit
	}
	return 0, nil
}

func (j *journal) Apply(_ context.Context, tx consumer.Tx, batch []events.Event, _ int) error {
	for _, e := range batch {
		if err := tx.Exec("INSERT INTO effects (id, n) VALUES (?, (SELECT COUNT(*) + 1 FROM effects))", name(e)).Error; err != nil {
			return err
		}
		if err := j.fails(e); err != nil {
			return err
		}
	}
	return nil
}

// act is the effect of a consumer of effects.
func (j *journal) act(_ context.Context, e events.Event) error {
	if err := j.fails(e); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made = append(j.made, name(e))
	return nil
}

// committed returns the committed effects in order.
func committed(t *testing.T, conn *gorm.DB) []string {
	t.Helper()
	var ids []string
	if err := conn.Raw("SELECT id FROM effects ORDER BY n").Scan(&ids).Error; err != nil {
		t.Fatal(err)
	}
	return ids
}

// publish publishes an event for each "subject/version".
func publish(t *testing.T, log bus.Bus, names ...string) {
	t.Helper()
	messages := make([]bus.Message, len(names))
	for i, n := range names {
		subject, version, _ := strings.Cut(n, "/")
		var v int64
		if _, err := fmt.Sscan(version, &v); err != nil {
			t.Fatal(err)
		}
		e := events.SkuProcessed(subject, v)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = bus.Message{ID: e.ID, Type: e.Type, Body: body}
	}
	if err := log.Publish(t.Context(), "inventory", messages); err != nil {
		t.Fatal(err)
	}
}

func config(conn *gorm.DB, log bus.Bus) consumer.Config {
	return consumer.Config{
		Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", Batch: 100, FromStart: true,
		RetryPause: time.Microsecond, IdleCheck: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
}

// step makes a consumer handle what was published.
func step(t *testing.T, c *consumer.Consumer, err error) *consumer.Consumer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// states returns the letters as "subject/version state", in order.
func states(t *testing.T, conn *gorm.DB) []string {
	t.Helper()
	var all []string
	for _, l := range letters(t, conn, "") {
		all = append(all, fmt.Sprintf("%s/%d %s", l.Subject, l.Version, l.State))
	}
	return all
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

var errPoison = errors.New("poison")

func TestConvergingClosesOvertakenLetters(t *testing.T) {
	for _, inFetch := range []bool{false, true} {
		t.Run(fmt.Sprint("in fetch ", inFetch), func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				j := &journal{inFetch: inFetch, bad: map[string]error{"A/1": errPoison, "A/2": errPoison, "B/1": errPoison}}
				publish(t, log, "A/1", "B/1", "C/1")
				c, err := consumer.NewConverging(config(conn, log), j)
				step(t, c, err)
				exhaust(t, c)
				same(t, "dead", states(t, conn), "A/1 open", "B/1 open")
				publish(t, log, "A/2")
				step(t, c, nil)
				same(t, "a newer version failed", states(t, conn), "A/1 open", "B/1 open", "A/2 parked")
				publish(t, log, "A/3")
				step(t, c, nil) // waits for the retry of A/2, which fails
				exhaust(t, c)
				same(t, "a newer version was handled", states(t, conn), "A/1 overtaken", "B/1 open", "A/2 overtaken", "A/3 retried")
				publish(t, log, "B/2")
				step(t, c, nil)
				same(t, "handled without a retry", states(t, conn), "A/1 overtaken", "B/1 overtaken", "A/2 overtaken", "A/3 retried")
				same(t, "effects", committed(t, conn), "C/1", "A/3", "B/2")
			})
		})
	}
}

// An older version, read again in a replay, overtakes no newer letter.
func TestOlderVersionOvertakesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		j := &journal{bad: map[string]error{"A/2": errPoison}}
		publish(t, log, "A/1", "A/2")
		c, err := consumer.NewConverging(config(conn, log), j)
		step(t, c, err)
		exhaust(t, c)
		if err := conn.Exec("DELETE FROM effects").Error; err != nil {
			t.Fatal(err)
		}
		if err := consumer.Reset(t.Context(), conn, "tally", "inventory", 0); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first finds the position moved
			_ = c.RunOnce(t.Context())
		}
		exhaust(t, c)
		same(t, "effects", committed(t, conn), "A/1")
		same(t, "letters", states(t, conn), "A/2 open")
	})
}

func TestInOrderLetsASubjectWait(t *testing.T) {
	for _, inFetch := range []bool{false, true} {
		t.Run(fmt.Sprint("in fetch ", inFetch), func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				j := &journal{inFetch: inFetch, bad: map[string]error{"A/2": errPoison, "A/4": errPoison}}
				publish(t, log, "A/1", "B/1")
				c, err := consumer.NewInOrder(config(conn, log), j)
				step(t, c, err)
				publish(t, log, "A/2", "A/3", "B/2")
				step(t, c, nil)
				exhaust(t, c)
				publish(t, log, "A/4", "B/3", "A/5", "A/6")
				step(t, c, nil)
				exhaust(t, c)
				same(t, "waiting", states(t, conn), "A/2 open", "A/3 behind", "A/4 behind", "A/5 behind", "A/6 behind")
				all := letters(t, conn, "")
				if all[1].Attempts != 0 || all[1].Error != "" {
					t.Errorf("an event behind another was tried: %+v", all[1])
				}
				if err := c.Retry(t.Context(), all[2]); !errors.Is(err, deadletter.ErrBehind) {
					t.Errorf("retry of a letter behind another: got %v", err)
				}
				j.set(map[string]error{"A/4": errPoison})
				if err := c.Retry(t.Context(), all[0]); err != nil {
					t.Fatal(err)
				}
				exhaust(t, c)
				same(t, "drained up to the next failure", states(t, conn), "A/2 retried", "A/3 retried", "A/4 open", "A/5 behind", "A/6 behind")
				if err := deadletter.Discard(t.Context(), conn, all[2].ID, "a test"); err != nil {
					t.Fatal(err)
				}
				exhaust(t, c)
				same(t, "after discarding", states(t, conn), "A/2 retried", "A/3 retried", "A/4 discarded", "A/5 retried", "A/6 retried")
				var a []string
				for _, e := range committed(t, conn) {
					if strings.HasPrefix(e, "A") {
						a = append(a, e)
					}
				}
				same(t, "effects of A", a, "A/1", "A/2", "A/3", "A/5", "A/6")
				publish(t, log, "A/7")
				step(t, c, nil)
				if got := committed(t, conn); got[len(got)-1] != "A/7" {
					t.Errorf("the subject still waits: %v", got)
				}
			})
		})
	}
}

func TestSequenceHasABound(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		cfg := config(conn, log)
		cfg.MaxSequence = 3
		j := &journal{bad: map[string]error{"A/1": errPoison}}
		publish(t, log, "A/1", "A/2", "B/1")
		c, err := consumer.NewInOrder(cfg, j)
		step(t, c, err)
		exhaust(t, c)
		publish(t, log, "A/3", "A/4", "A/5", "B/2")
		step(t, c, nil)
		same(t, "full", states(t, conn), "A/1 open", "A/2 behind", "A/3 behind", "A/4 discarded", "A/5 discarded")
		if l := letters(t, conn, deadletter.Discarded)[0]; l.ClosedAt == nil || !strings.Contains(l.Reason, "full") {
			t.Errorf("letter is %+v", l)
		}
		same(t, "others", committed(t, conn), "B/1", "B/2")
	})
}

// Whatever fails when, and whoever retries meanwhile: the effects of each subject take place
// once, in order.
func TestInOrderUnderRandomFailures(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		const subjects, versions = 6, 12
		random := rand.New(rand.NewPCG(1, 2))
		j := &journal{bad: map[string]error{}}
		breakSome := func() { // some events fail from now on, others no longer
			bad := map[string]error{}
			for range 8 {
				err := errPoison
				if random.IntN(4) == 0 {
					err = fault.New(fault.Unavailable, "unavailable", "503")
				}
				bad[fmt.Sprintf("S%d/%d", random.IntN(subjects), 1+random.IntN(versions))] = err
			}
			j.set(bad)
		}
		c, err := consumer.NewInOrder(config(conn, log), j)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		for v := 1; v <= versions; v++ {
			breakSome()
			var some []string
			for s := range subjects {
				some = append(some, fmt.Sprintf("S%d/%d", s, v))
			}
			random.Shuffle(len(some), func(a, b int) { some[a], some[b] = some[b], some[a] })
			publish(t, log, some...)
			for _, l := range letters(t, conn, deadletter.Open) { // a person
				_ = c.Retry(t.Context(), l)
			}
		}
		deadline := time.Now().Add(time.Minute)
		for len(committed(t, conn)) < subjects*versions {
			j.set(nil)
			for _, l := range letters(t, conn, deadletter.Open) {
				_ = c.Retry(t.Context(), l)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d effects; letters %v", len(committed(t, conn)), subjects*versions, states(t, conn))
			}
			time.Sleep(time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for s := range subjects {
			v := 0
			for _, e := range committed(t, conn) {
				if strings.HasPrefix(e, fmt.Sprintf("S%d/", s)) {
					if v++; e != fmt.Sprintf("S%d/%d", s, v) {
						t.Fatalf("effect %d of S%d is %s", v, s, e)
					}
				}
			}
		}
	})
}

// Whatever a message contains, its letter can be stored, and later messages are handled.
func TestLettersOfOddSubjects(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		for _, kind := range []string{consumer.Converging, consumer.InOrder} {
			odd := []string{"nul\x00nul", strings.Repeat("x", 10_000), strings.Repeat("ü", 1000) + "1", strings.Repeat("ü", 1000) + "2", "\u202e'; DROP", " "}
			j := &journal{inFetch: true, bad: map[string]error{}}
			messages := []bus.Message{{Body: []byte("no event")}}
			for _, subject := range odd {
				e := events.SkuProcessed(subject, 1)
				e.ID = strings.Repeat("i", 5000) + subject
				body, err := e.Encode()
				if err != nil {
					t.Fatal(err)
				}
				j.bad[name(e)] = errPoison
				messages = append(messages, bus.Message{ID: "m", Body: body})
			}
			if err := log.Publish(t.Context(), "inventory", messages); err != nil {
				t.Fatal(err)
			}
			good := kind + "/1"
			publish(t, log, good)
			cfg := config(conn, log)
			cfg.Subscriber = kind
			c, err := consumer.NewConverging(cfg, j)
			if kind == consumer.InOrder {
				c, err = consumer.NewInOrder(cfg, j)
			}
			step(t, c, err)
			exhaust(t, c)
			if got := committed(t, conn); got[len(got)-1] != good {
				t.Errorf("%s: effects are %v", kind, got)
			}
			n, err := deadletter.Count(t.Context(), conn, deadletter.Filter{State: deadletter.Open})
			if err != nil || int(n) < len(messages) {
				t.Errorf("%s: %d open letters, %v; want %d", kind, n, err, len(messages))
			}
			if err := conn.Exec("DELETE FROM effects").Error; err != nil {
				t.Fatal(err)
			}
		}
	})
}
