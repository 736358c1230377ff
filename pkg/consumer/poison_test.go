package consumer_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// 1,000 messages of 300 subjects that fail in every way, among 20,000 good ones, with an
// instance that ends in the middle of a commit now and then: each good event takes effect
// once, each other one is a letter, and memory does not grow with their number.
func TestPoisonLosesAndDoublesNothing(t *testing.T) {
	const good, poison, subjects = 20_000, 1_000, 300
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		bad := map[string]error{}
		var messages []bus.Message
		garbage := 0
		random := rand.New(rand.NewPCG(3, 4))
		add := func(subject string, version int64) {
			e := events.SkuProcessed(subject, version)
			body, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, bus.Message{ID: e.ID, Type: e.Type, Body: body})
		}
		for i := range good + poison {
			switch {
			case i%(good/poison+1) != 0:
				add(fmt.Sprint("good", i), 1)
			case random.IntN(3) == 0:
				garbage++
				messages = append(messages, bus.Message{ID: fmt.Sprint("g", i), Body: fmt.Appendf(nil, "garbage %d", i)})
			default:
				subject, version := fmt.Sprint("bad", random.IntN(subjects)), int64(i+1)
				bad[fmt.Sprintf("%s/%d", subject, version)] = errPoison
				add(subject, version)
			}
		}
		for some := range slices.Chunk(messages, 1000) {
			if err := log.Publish(t.Context(), "inventory", some); err != nil {
				t.Fatal(err)
			}
		}
		before := heap()
		commits := 0
		cfg := consumer.Config{
			Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", RetryPause: time.Hour, IdleCheck: 10 * time.Millisecond,
			Log: slog.New(slog.DiscardHandler),
		}
		deadline := time.Now().Add(3 * time.Minute)
		for done := false; !done; { // each turn is one life of a process
			ctx, end := context.WithCancel(t.Context())
			cfg.Hook = func(string) {
				if commits++; commits%10 == 0 {
					end() // before the commit
				}
			}
			c, err := consumer.NewConverging(cfg, &named{journal{inFetch: true, bad: bad}})
			if err != nil {
				t.Fatal(err)
			}
			var running sync.WaitGroup
			running.Go(func() { _ = c.Run(ctx) })
			for ctx.Err() == nil && !done {
				var n int64
				if err := conn.Raw("SELECT COUNT(*) FROM effects").Scan(&n).Error; err != nil {
					t.Fatal(err)
				}
				letters, err := deadletter.CountUnclosed(t.Context(), conn)
				if err != nil {
					t.Fatal(err)
				}
				done = n == good && letters[deadletter.Open]+letters[deadletter.Parked] == poison
				if time.Now().After(deadline) {
					t.Fatalf("%d of %d effects; letters %v, want %d", n, good, letters, poison)
				}
				time.Sleep(5 * time.Millisecond)
			}
			end()
			running.Wait()
		}
		once(t, conn, good)
		letters, err := deadletter.CountUnclosed(t.Context(), conn)
		if err != nil || letters[deadletter.Open] != int64(garbage) {
			t.Errorf("%d open letters, %v; want %d for what is no event", letters[deadletter.Open], err, garbage)
		}
		if grown := heap() - before; grown > 32<<20 {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
	})
}

// named writes one effect for each event and names unfit subjects.
type named struct{ journal }

func (n *named) Apply(_ context.Context, tx consumer.Tx, batch []events.Event, _ int) error {
	for _, e := range batch {
		if err := tx.Exec("INSERT INTO effects (id, n) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET n = effects.n + 1", name(e)).Error; err != nil {
			return err
		}
	}
	return nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
