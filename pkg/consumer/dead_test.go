package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
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

// picky is a consumer that cannot stand some subjects.
type picky struct {
	tally

	bad    map[string]func() error // by subject; what happens to a batch that holds it
	inside bool                    // in Apply, after the effect was written, instead of in Fetch
}

func (p *picky) Fetch(ctx context.Context, batch []events.Event) (int, error) {
	if p.inside {
		return 0, nil
	}
	return 0, p.judge(batch)
}

func (p *picky) Apply(ctx context.Context, tx consumer.Tx, batch []events.Event, n int) error {
	if err := p.tally.Apply(ctx, tx, batch, n); err != nil || !p.inside {
		return err
	}
	return p.judge(batch)
}

func (p *picky) judge(batch []events.Event) error {
	for _, e := range batch {
		if f := p.bad[e.Subject]; f != nil {
			return f()
		}
	}
	return nil
}

func readPicky(t *testing.T, conn *gorm.DB, log bus.Bus, p *picky) *consumer.Consumer {
	t.Helper()
	r, err := consumer.NewConverging(consumer.Config{
		Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", Batch: 100,
		RetryPause: time.Microsecond, IdleCheck: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// exhaust retries letters until none is parked.
func exhaust(t *testing.T, r *consumer.Consumer) {
	t.Helper()
	for range 1000 {
		tried, waiting, err := r.RetryDue(t.Context())
		if err != nil && !consumer.Transient(err) {
			t.Fatal(err)
		}
		if tried == 0 && !waiting {
			return
		}
	}
	t.Fatal("letters are parked for ever")
}

func letters(t *testing.T, conn *gorm.DB, state string) []deadletter.Letter {
	t.Helper()
	all, err := deadletter.List(t.Context(), conn, deadletter.Filter{State: state}, 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDeadLettersTheFailingEventAndProceeds(t *testing.T) {
	for name, fail := range map[string]func() error{
		"4xx":   func() error { return fault.FromResponse(400, "", nil) },
		"409":   func() error { return fault.FromResponse(409, "", nil) },
		"rule":  func() error { return errors.New("a rule is broken") },
		"panic": func() error { panic("cannot stand it") },
	} {
		for _, inside := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s inside %t", name, inside), func(t *testing.T) {
				onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
					tell(t, log, 0, 100)
					p := &picky{inside: inside, bad: map[string]func() error{"A0": fail, "A37": fail, "A99": fail}}
					r := readPicky(t, conn, log, p)
					if err := r.RunOnce(t.Context()); err != nil {
						t.Fatal(err)
					}
					once(t, conn, 97)
					exhaust(t, r)
					once(t, conn, 97)
					dead := letters(t, conn, deadletter.Open)
					if len(dead) != 3 {
						t.Fatalf("%d letters, want 3", len(dead))
					}
					d := dead[1]
					e, err := events.Decode(d.Body)
					if err != nil || d.Subject != "A37" || d.Type != events.InventorySkuProcessed || d.EventID != e.ID ||
						d.Attempts != 5 || d.Error == "" || d.FirstAt.After(d.LastAt) || d.Stream != "inventory" || d.Subscriber != "tally" {
						t.Errorf("letter is %+v, %v", d, err)
					}
					if strings.Contains(d.Error, "goroutine") {
						t.Errorf("the letter holds a stack: %s", d.Error)
					}
					if s := r.Status(t.Context()); s.Lag != 0 || s.State != consumer.StateReading {
						t.Errorf("status is %+v", s)
					}
				})
			})
		}
	}
}

// What is no CloudEvent is a failure, whatever its bytes; an event of a type that
// nobody knows is none.
func TestDeadLettersBodiesThatAreNoEvent(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		bodies := []string{"", "not json", "\x00\xff\xfe", `{"specversion":"1.0"}`, `[]`}
		tell(t, log, 0, 3)
		messages := make([]bus.Message, 0, len(bodies)+1)
		for _, b := range bodies {
			messages = append(messages, bus.Message{Body: []byte(b)}) // and no ID either
		}
		unknown := events.SkuProcessed("A", 1)
		unknown.Type = "inventory.moon_rose"
		body, err := unknown.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, bus.Message{ID: unknown.ID, Body: body})
		if err := log.Publish(t.Context(), "inventory", messages); err != nil {
			t.Fatal(err)
		}
		tell(t, log, 3, 3)
		r, err := consumer.NewConverging(consumer.Config{
			Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", Types: []string{events.InventorySkuProcessed},
			RetryPause: time.Microsecond, Log: slog.New(slog.DiscardHandler),
		}, &picky{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		once(t, conn, 6)
		dead := letters(t, conn, deadletter.Open)
		if len(dead) != len(bodies) {
			t.Fatalf("%d letters, want %d", len(dead), len(bodies))
		}
		for i, d := range dead {
			if string(d.Body) != bodies[i] || !strings.Contains(d.Error, "not a CloudEvent") || d.Type != "" || d.EventID == "" {
				t.Errorf("letter %d is %+v", i, d)
			}
		}
	})
}

// However long something is unavailable, no event becomes a dead letter for it, and attempts
// made before are not forgotten meanwhile.
func TestTransientFailuresMakeNoDeadLetter(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		tell(t, log, 0, 10)
		away := func() error { return fault.New(fault.Unavailable, "unavailable", "503") }
		tries := 0
		p := &picky{bad: map[string]func() error{"A5": func() error {
			if tries++; tries%2 == 0 { // never two attempts in a row
				return away()
			}
			return errors.New("broken")
		}}}
		r := readPicky(t, conn, log, p)
		for range 10 { // while the batch meets the transient failure
			_ = r.RunOnce(t.Context())
			if got, _ := effects(t, conn); got == 9 {
				break
			}
		}
		once(t, conn, 9)
		exhaust(t, r)
		if tries < 9 {
			t.Errorf("%d attempts, want 5 and the transient failures between them", tries)
		}
		p.bad["A11"] = away
		tell(t, log, 10, 5)
		for range 50 {
			if err := r.RunOnce(t.Context()); err == nil || !consumer.Transient(err) {
				t.Fatalf("got %v, want a transient error", err)
			}
		}
		if dead := letters(t, conn, ""); len(dead) != 1 || dead[0].Subject != "A5" || dead[0].Attempts != 5 || dead[0].State != deadletter.Open {
			t.Errorf("letters are %+v", dead)
		}
		once(t, conn, 9)
	})
}

// A letter that cannot be kept keeps the position where it is.
func TestDeadLetterMovesThePositionInItsTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		tell(t, log, 0, 3)
		r := readPicky(t, conn, log, &picky{bad: map[string]func() error{"A1": func() error { return errors.New("no") }}})
		rename := func(from, to string) {
			if err := conn.Exec("ALTER TABLE " + from + " RENAME TO " + to).Error; err != nil {
				t.Fatal(err)
			}
		}
		rename("dead_letters", "hidden")
		for range 3 {
			if err := r.RunOnce(t.Context()); err == nil {
				t.Fatal("went on without the letter")
			}
			once(t, conn, 0)
		}
		rename("hidden", "dead_letters")
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		once(t, conn, 2)
		exhaust(t, r)
		if dead := letters(t, conn, deadletter.Open); len(dead) != 1 {
			t.Errorf("%d letters, want 1", len(dead))
		}
	})
}

func TestRetryHandlesAnEventOnce(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		tell(t, log, 0, 4)
		fail := func() error { return errors.New("no") }
		p := &picky{bad: map[string]func() error{"A1": fail, "A2": fail}}
		r := readPicky(t, conn, log, p)
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		exhaust(t, r)
		dead := letters(t, conn, deadletter.Open)
		p.bad["A1"] = func() error { return errors.New("still not") }
		if err := r.Retry(t.Context(), dead[0]); err == nil {
			t.Fatal("a retry that fails says nothing")
		}
		again, err := deadletter.Find(t.Context(), conn, dead[0].ID)
		if err != nil || again.Attempts != 6 || again.Error != "fetch: still not" || again.State != deadletter.Open {
			t.Errorf("letter is %+v, %v", again, err)
		}
		p.bad = nil
		var closed, done int
		var mu sync.Mutex
		var both sync.WaitGroup
		for range 4 {
			both.Go(func() {
				err := r.Retry(t.Context(), dead[0])
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case errors.Is(err, deadletter.ErrClosed):
					closed++
				default:
					t.Error(err)
				}
			})
		}
		both.Wait()
		if done != 1 || closed != 3 {
			t.Errorf("%d retries took effect, %d found it closed", done, closed)
		}
		if err := deadletter.Discard(t.Context(), conn, dead[1].ID, "a test"); err != nil {
			t.Fatal(err)
		}
		second, err := deadletter.Find(t.Context(), conn, dead[1].ID)
		if err != nil || second.State != deadletter.Discarded || second.Reason != "a test" || second.ClosedAt == nil {
			t.Errorf("letter is %+v, %v", second, err)
		}
		if err := r.Retry(t.Context(), second); !errors.Is(err, deadletter.ErrClosed) {
			t.Errorf("retry of a discarded letter gives %v", err)
		}
		once(t, conn, 3)
	})
}

// listing is a consumer whose owner can be asked for everything.
type listing struct {
	picky

	things []string
	failed bool
	replay []bool
}

func (l *listing) Fetch(ctx context.Context, batch []events.Event) (int, error) {
	for range batch {
		l.replay = append(l.replay, consumer.Replaying(ctx))
	}
	return l.picky.Fetch(ctx, batch)
}

func (l *listing) List(context.Context) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		for _, thing := range l.things {
			if thing == "e" && !l.failed {
				l.failed = true
				yield(events.Event{}, fault.New(fault.Unavailable, "away", "503"))
				return
			}
			e := events.SkuProcessed(thing, 1)
			e.ID = "thing " + thing
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A history that was begun anew, grown past the position or not, or cut below it:
// the reader asks the owner for all it has and then reads what there is.
func TestResynchronisesAfterChangedHistory(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, log bus.Bus){
		"shorter":      func(t *testing.T, log bus.Bus) { tell(t, log, 100, 2) },
		"grown beyond": func(t *testing.T, log bus.Bus) { tell(t, log, 100, 30) },
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				l := &listing{things: []string{"a", "b", "c", "d", "e"}}
				l.bad = map[string]func() error{"d": func() error { return errors.New("no") }}
				r, err := consumer.NewConverging(consumer.Config{
					Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", Batch: 2, RetryPause: time.Microsecond, Log: slog.New(slog.DiscardHandler),
				}, l)
				if err != nil {
					t.Fatal(err)
				}
				tell(t, log, 0, 5)
				if err := r.RunOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := log.Drop(t.Context(), "inventory"); err != nil {
					t.Fatal(err)
				}
				change(t, log)
				if err := conn.Exec("UPDATE positions SET last_offset = 2, last_id = 'another'").Error; err != nil {
					t.Fatal(err)
				}
				r, _ = consumer.NewConverging(consumer.Config{
					Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", RetryPause: time.Microsecond, Log: slog.New(slog.DiscardHandler),
				}, l)
				// The owner is away in the middle of it.
				if err := r.RunOnce(t.Context()); !consumer.Transient(err) {
					t.Fatalf("got %v, want what makes the reader wait", err)
				}
				if s := r.Status(t.Context()); s.State != consumer.StateResyncing || s.Err == "" {
					t.Errorf("status is %+v", s)
				}
				l.replay = nil
				for range 2 { // the resynchronisation, then the new history
					if err := r.RunOnce(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				s := r.Status(t.Context())
				if s.State != consumer.StateReading || s.Lag != 0 || s.Resyncs != 1 {
					t.Errorf("status is %+v", s)
				}
				for _, id := range []string{"thing a", "thing b", "thing c", "thing e"} {
					var n int
					if err := conn.Raw("SELECT COUNT(*) FROM effects WHERE id = ?", id).Scan(&n).Error; err != nil || n != 1 {
						t.Errorf("%s was taken %d times, %v", id, n, err)
					}
				}
				exhaust(t, r)
				if dead := letters(t, conn, deadletter.Open); len(dead) != 1 || dead[0].Subject != "d" || dead[0].Position != -1 {
					t.Errorf("letters are %+v", dead)
				}
				if slices.Contains(l.replay, true) {
					t.Error("a new history counts as replayed")
				}
			})
		})
	}
}

// A reset is noticed by a reader that has nothing to read, and what comes again is
// known as such.
func TestReplaysAfterReset(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		l := &listing{}
		r, err := consumer.NewConverging(consumer.Config{
			Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", IdleCheck: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		}, l)
		if err != nil {
			t.Fatal(err)
		}
		tell(t, log, 0, 10)
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		idle := make(chan error, 1)
		go func() { idle <- r.RunOnce(t.Context()) }()
		end, err := log.End(t.Context(), "inventory")
		if err != nil {
			t.Fatal(err)
		}
		if err := consumer.Reset(t.Context(), conn, "tally", "inventory", end.Offset-3); err != nil {
			t.Fatal(err)
		}
		if err := <-idle; err == nil {
			t.Fatal("an idle reader did not notice that its position was reset")
		}
		if s := r.Status(t.Context()); !s.Replaying || s.Lag != 4 {
			t.Errorf("status is %+v", s)
		}
		l.replay = nil
		tell(t, log, 10, 2)
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []bool{true, true, true, true, false, false}; !slices.Equal(l.replay, want) {
			t.Errorf("replayed: %v, want %v", l.replay, want)
		}
		if s := r.Status(t.Context()); s.Replaying || s.Lag != 0 {
			t.Errorf("status is %+v", s)
		}
		if got, most := effects(t, conn); got != 12 || most != 2 {
			t.Errorf("%d events, most of them %d times; the last four were to come twice", got, most)
		}
	})
}
