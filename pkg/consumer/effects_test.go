package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

func TestEffectsNeedAGuarantee(t *testing.T) {
	t.Parallel()
	if _, err := consumer.NewEffects(consumer.Config{}, 0, func(context.Context, events.Event) error { return nil }); err == nil {
		t.Error("effects without a guarantee are accepted")
	}
}

// ordered returns a consumer of each kind that keeps order, by what it is called.
func ordered(cfg consumer.Config, j *journal) map[string]func() (*consumer.Consumer, error) {
	return map[string]func() (*consumer.Consumer, error){
		"rows":          func() (*consumer.Consumer, error) { return consumer.NewInOrder(cfg, j) },
		"at least once": func() (*consumer.Consumer, error) { return consumer.NewEffects(cfg, consumer.AtLeastOnce, j.act) },
		"at most once":  func() (*consumer.Consumer, error) { return consumer.NewEffects(cfg, consumer.AtMostOnce, j.act) },
	}
}

// madeBy returns the effects of a consumer: rows, or calls.
func madeBy(t *testing.T, conn *gorm.DB, j *journal) []string {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	return append(committed(t, conn), j.made...)
}

// onEachOrdered runs test for each kind of consumer that keeps order, on each database.
func onEachOrdered(t *testing.T, fromStart bool, test func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error))) {
	t.Helper()
	for _, kind := range []string{"rows", "at least once", "at most once"} {
		t.Run(kind, func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				j := &journal{}
				cfg := config(conn, log)
				cfg.FromStart = fromStart
				test(t, conn, log, j, ordered(cfg, j)[kind])
			})
		})
	}
}

// A consumer of effects that joins later does not act on what happened before, and never
// twice: not in a replay, and not after a restart.
func TestEffectsArePastAndReplaySafe(t *testing.T) {
	onEachOrdered(t, false, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		publish(t, log, "A/1", "B/1")
		c, err := start()
		step(t, c, err)
		same(t, "the past", madeBy(t, conn, j))
		publish(t, log, "A/2", "B/2")
		step(t, c, nil)
		same(t, "after the start", madeBy(t, conn, j), "A/2", "B/2")
		if err := consumer.Reset(t.Context(), conn, "tally", "inventory", 0); err != nil {
			t.Fatal(err)
		}
		c, err = start()
		step(t, c, err)
		publish(t, log, "A/3")
		step(t, c, nil)
		same(t, "a replay", madeBy(t, conn, j), "A/2", "B/2", "A/3")
	})
}

func TestEffectsOfThePastOnDemand(t *testing.T) {
	onEachOrdered(t, true, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		publish(t, log, "A/1", "B/1")
		c, err := start()
		step(t, c, err)
		same(t, "from the start", madeBy(t, conn, j), "A/1", "B/1")
	})
}

// history returns the messages of the log.
func history(t *testing.T, log bus.Bus) (all []bus.Message) {
	t.Helper()
	end, err := log.End(t.Context(), "inventory")
	if err != nil {
		t.Fatal(err)
	}
	s, err := log.Subscribe(t.Context(), "inventory", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	for last := int64(-1); last < end.Offset; {
		some, err := s.Next(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range some {
			all = append(all, bus.Message{ID: d.ID, Type: events.InventorySkuProcessed, Body: d.Body})
			last = d.Offset
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// replace begins the history anew.
func replace(t *testing.T, log bus.Bus, all []bus.Message) {
	t.Helper()
	if err := log.Drop(t.Context(), "inventory"); err != nil {
		t.Fatal(err)
	}
	if err := log.Publish(t.Context(), "inventory", all); err != nil {
		t.Fatal(err)
	}
}

// rebuild replaces the history by one that has the same events from keepFrom on, and more.
func rebuild(t *testing.T, log bus.Bus, keepFrom int, more ...string) {
	t.Helper()
	replace(t, log, history(t, log)[keepFrom:])
	publish(t, log, more...)
}

// run steps until the consumer has read everything.
func run(t *testing.T, c *consumer.Consumer) {
	t.Helper()
	for range 20 {
		if s := c.Status(t.Context()); s.Lag == 0 && s.State == consumer.StateReading {
			return
		}
		_ = c.RunOnce(t.Context())
	}
	t.Fatalf("consumer is %+v", c.Status(t.Context()))
}

// The history is lost and published again: what took effect before does not again, and what
// had not been read does.
func TestRebuiltHistoryRepeatsNoEffect(t *testing.T) {
	onEachOrdered(t, true, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		publish(t, log, "A/1", "B/1", "A/2")
		c, err := start()
		step(t, c, err)
		publish(t, log, "B/2") // not read before the loss
		rebuild(t, log, 0, "A/3")
		c, err = start()
		if err != nil {
			t.Fatal(err)
		}
		run(t, c)
		same(t, "rebuilt", madeBy(t, conn, j), "A/1", "B/1", "A/2", "B/2", "A/3")
		rebuild(t, log, 1, "A/4") // once more, shorter
		run(t, c)
		same(t, "rebuilt again", madeBy(t, conn, j), "A/1", "B/1", "A/2", "B/2", "A/3", "A/4")
	})
}

// The outbox publishes a lost history in the order of its rows. That differs from the first
// order where transactions overlapped.
func TestRebuiltHistoryInAnotherOrder(t *testing.T) {
	onEachOrdered(t, false, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		publish(t, log, "Z/1", "Z/2") // before the first start
		c, err := start()
		step(t, c, err)
		publish(t, log, "A/1", "B/1", "C/1", "A/2")
		step(t, c, nil)
		all := history(t, log) // Z/1 Z/2 A/1 B/1 C/1 A/2
		late := events.SkuProcessed("D", 1)
		body, err := late.Encode()
		if err != nil {
			t.Fatal(err)
		}
		unread := bus.Message{ID: late.ID, Type: late.Type, Body: body}
		replace(t, log, []bus.Message{all[0], all[1], all[5], unread, all[3], all[2], all[4]})
		run(t, c)
		same(t, "effects", madeBy(t, conn, j), "A/1", "B/1", "C/1", "A/2", "D/1")
		if err := consumer.Reset(t.Context(), conn, "tally", "inventory", 0); err != nil {
			t.Fatal(err)
		}
		publish(t, log, "A/3")
		run(t, c)
		same(t, "a replay after it", madeBy(t, conn, j), "A/1", "B/1", "C/1", "A/2", "D/1", "A/3")
	})
}

// The history is lost again before every event was met that took effect in the first one: what
// took effect in either history does not again.
func TestHistoryRebuiltTwice(t *testing.T) {
	onEachOrdered(t, true, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		publish(t, log, "A/1", "B/1", "C/1")
		c, err := start()
		step(t, c, err)
		all := history(t, log)
		replace(t, log, all[:2])
		publish(t, log, "D/1") // C/1 follows later
		run(t, c)
		same(t, "rebuilt", madeBy(t, conn, j), "A/1", "B/1", "C/1", "D/1")
		d := history(t, log)[2]
		replace(t, log, []bus.Message{all[0], all[1], d, all[2]})
		publish(t, log, "E/1")
		run(t, c)
		same(t, "rebuilt again", madeBy(t, conn, j), "A/1", "B/1", "C/1", "D/1", "E/1")
	})
}

// The event that was handled last is not in the new history: only what is certainly younger
// takes effect.
func TestRebuiltHistoryWithoutTheLastEvent(t *testing.T) {
	onEachOrdered(t, true, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		publish(t, log, "A/1", "B/1")
		c, err := start()
		step(t, c, err)
		if err := log.Drop(t.Context(), "inventory"); err != nil {
			t.Fatal(err)
		}
		publish(t, log, "A/1", "B/1", "A/2") // other IDs: a restored owner, say
		later := events.SkuProcessed("B", 9)
		later.Time = time.Now().Add(time.Hour)
		body, err := later.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Publish(t.Context(), "inventory", []bus.Message{{ID: later.ID, Type: later.Type, Body: body}}); err != nil {
			t.Fatal(err)
		}
		publish(t, log, "A/10")
		run(t, c)
		same(t, "effects", madeBy(t, conn, j), "A/1", "B/1", "B/9", "A/10")
	})
}

func TestEffectsKeepOrder(t *testing.T) {
	for name, g := range map[string]consumer.Guarantee{"at least once": consumer.AtLeastOnce, "at most once": consumer.AtMostOnce} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				j := &journal{bad: map[string]error{"A/2": errPoison}}
				publish(t, log, "A/1", "A/2", "B/1", "A/3", "B/2")
				c, err := consumer.NewEffects(config(conn, log), g, j.act)
				step(t, c, err)
				exhaust(t, c)
				same(t, "letters", states(t, conn), "A/2 open", "A/3 behind")
				want := 5 // attempts
				if g == consumer.AtMostOnce {
					want = 1 // an error may hide an effect
				}
				if l := letters(t, conn, deadletter.Open)[0]; l.Attempts != want {
					t.Errorf("%d attempts, want %d", l.Attempts, want)
				}
				j.set(nil)
				if err := c.Retry(t.Context(), letters(t, conn, deadletter.Open)[0]); err != nil {
					t.Fatal(err)
				}
				exhaust(t, c)
				same(t, "effects", j.made, "A/1", "B/1", "B/2", "A/2", "A/3")
				// Something is unavailable: at least once waits; at most once, whose position has moved,
				// retries the letter.
				j.set(map[string]error{"A/4": fault.New(fault.Unavailable, "unavailable", "503")})
				publish(t, log, "A/4")
				if err := c.RunOnce(t.Context()); (err == nil) != (g == consumer.AtMostOnce) {
					t.Errorf("unavailable: got %v", err)
				}
				j.set(nil)
				run(t, c)
				exhaust(t, c)
				same(t, "effects", j.made, "A/1", "B/1", "B/2", "A/2", "A/3", "A/4")
				if n, err := deadletter.CountUnclosed(t.Context(), conn); err != nil || len(n) != 0 {
					t.Errorf("letters are left: %v, %v", n, err)
				}
			})
		})
	}
}

// A person retries a letter that the consumer would retry by itself, and the effect fails with an
// error that may hide an effect: at most once does not try again.
func TestRetryOfAParkedEffectAtMostOnce(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		j := &journal{bad: map[string]error{"A/1": fault.New(fault.Unavailable, "unavailable", "503")}}
		publish(t, log, "A/1")
		c, err := consumer.NewEffects(config(conn, log), consumer.AtMostOnce, j.act)
		step(t, c, err)
		same(t, "unavailable", states(t, conn), "A/1 parked")
		j.set(map[string]error{"A/1": errPoison})
		if err := c.Retry(t.Context(), letters(t, conn, deadletter.Parked)[0]); !errors.Is(err, errPoison) {
			t.Errorf("got %v", err)
		}
		same(t, "after the failure", states(t, conn), "A/1 open")
	})
}

// What cuts an attempt off, or keeps its result from the database, leaves it open whether the
// effect was made: at most once asks a person.
func TestUnknownOutcomeAtMostOnce(t *testing.T) {
	unavailable := fault.New(fault.Unavailable, "unavailable", "503")
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		j := &journal{bad: map[string]error{"A/1": unavailable, "B/1": unavailable}}
		cfg := config(conn, log)
		cfg.Timeout = 5 * time.Second
		lose := false // the database, after the effect
		cfg.Hook = func(point string) {
			if lose && point == consumer.PointActed {
				lose = false
				failNextWrite(t, conn)
			}
		}
		publish(t, log, "A/1", "B/1")
		c, err := consumer.NewEffects(cfg, consumer.AtMostOnce, j.act)
		step(t, c, err)
		same(t, "unavailable", states(t, conn), "A/1 parked", "B/1 parked")

		j.set(nil)
		lose = true
		for range 5 {
			_, _, _ = c.RetryDue(t.Context())
		}
		same(t, "effects", j.made, "A/1", "B/1")
		same(t, "the result is lost", states(t, conn), "A/1 acting", "B/1 retried")
	})
	for name, first := range map[string]error{"at the first attempt": nil, "at a retry": unavailable} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				cfg := config(conn, log)
				cfg.Timeout = 200 * time.Millisecond
				attempts, failure := 0, first
				c, err := consumer.NewEffects(cfg, consumer.AtMostOnce, func(ctx context.Context, _ events.Event) error {
					if err := failure; err != nil {
						failure = nil
						return err
					}
					attempts++
					<-ctx.Done() // the receiver acted, and its answer does not arrive
					return ctx.Err()
				})
				publish(t, log, "A/1")
				step(t, c, err)
				exhaust(t, c)
				same(t, "cut off", states(t, conn), "A/1 open")
				if attempts != 1 {
					t.Errorf("%d attempts", attempts)
				}
			})
		})
	}
}

// failNextWrite makes the next statement fail as if the connection were lost.
func failNextWrite(t *testing.T, conn *gorm.DB) {
	t.Helper()
	var once sync.Once
	err := conn.Callback().Raw().Before("gorm:raw").Register("lost", func(tx *gorm.DB) {
		once.Do(func() { _ = tx.AddError(io.ErrUnexpectedEOF) })
	})
	if err != nil {
		t.Fatal(err)
	}
}

var errKilled = errors.New("killed")

// The process ends between an effect and its commit: at least once repeats the effect, at
// most once asks a person.
func TestProcessEndsDuringAnEffect(t *testing.T) {
	for name, g := range map[string]consumer.Guarantee{"at least once": consumer.AtLeastOnce, "at most once": consumer.AtMostOnce} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				j := &journal{}
				cfg := config(conn, log)
				cfg.Hook = func(point string) {
					if point == consumer.PointActed {
						panic(errKilled)
					}
				}
				publish(t, log, "A/1", "A/2", "B/1")
				c, err := consumer.NewEffects(cfg, g, j.act)
				if err != nil {
					t.Fatal(err)
				}
				func() {
					defer func() {
						if p := recover(); p != errKilled { //nolint:errorlint // the value itself
							panic(fmt.Sprint("not killed: ", p))
						}
					}()
					_ = c.RunOnce(t.Context())
				}()
				cfg.Hook = nil
				c, err = consumer.NewEffects(cfg, g, j.act)
				step(t, c, err)
				if g == consumer.AtLeastOnce {
					same(t, "effects", j.made, "A/1", "A/1", "A/2", "B/1")
					return
				}
				same(t, "effects", j.made, "A/1", "B/1")
				same(t, "claimed", states(t, conn), "A/1 acting", "A/2 behind")
				if err := conn.Exec("UPDATE dead_letters SET next_at = first_at WHERE state = 'acting'").Error; err != nil {
					t.Fatal(err)
				}
				c, err = consumer.NewEffects(cfg, g, j.act) // looks for ended claims when it begins
				if err != nil {
					t.Fatal(err)
				}
				exhaust(t, c)
				same(t, "after the claim", states(t, conn), "A/1 open", "A/2 behind")
				if err := deadletter.Discard(t.Context(), conn, letters(t, conn, deadletter.Open)[0].ID, "it was sent"); err != nil {
					t.Fatal(err)
				}
				exhaust(t, c)
				same(t, "effects", j.made, "A/1", "B/1", "A/2")
			})
		})
	}
}

// Two instances and a person retry one letter at the same time: the effect is made once.
func TestRetriesOfAnEffectExcludeEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		j := &journal{bad: map[string]error{"A/1": errPoison}}
		publish(t, log, "A/1")
		c, err := consumer.NewEffects(config(conn, log), consumer.AtLeastOnce, j.act)
		step(t, c, err)
		exhaust(t, c)
		j.set(nil)
		open := letters(t, conn, deadletter.Open)[0]
		results := make(chan error, 4)
		for range 4 {
			go func() { results <- c.Retry(t.Context(), open) }()
		}
		var done int
		for range 4 {
			if err := <-results; err == nil {
				done++
			} else if !errors.Is(err, deadletter.ErrClosed) && !errors.Is(err, deadletter.ErrActing) {
				t.Error(err)
			}
		}
		if done != 1 || !slices.Equal(j.made, []string{"A/1"}) {
			t.Errorf("%d retries succeeded; effects %v", done, j.made)
		}
	})
}
