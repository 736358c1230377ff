package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
	"quadrille/test/harness/nodes"
)

func TestAppendRefusesEventsBeyondLimits(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		for name, spoil := range map[string]func(*events.Event){
			"a long subject":       func(e *events.Event) { e.Subject = strings.Repeat("x", outbox.MaxSubject+1) },
			"a subject with a NUL": func(e *events.Event) { e.Subject = "a\x00b" },
			"an invalid subject":   func(e *events.Event) { e.Subject = "a\xff" },
			"a long type":          func(e *events.Event) { e.Type = "inventory." + strings.Repeat("x", 200) },
			"a long ID":            func(e *events.Event) { e.ID = strings.Repeat("x", 256) },
			"a long correlation":   func(e *events.Event) { e.CorrelationID = strings.Repeat("x", 256) },
			"an invalid reference": func(e *events.Event) { e.Data.Href = "/skus/\xff" },
			"a large event":        func(e *events.Event) { e.Data.Href = "/" + strings.Repeat("x", outbox.MaxEvent) },
			"large when escaped":   func(e *events.Event) { e.Data.Href = "/" + strings.Repeat("\x01", outbox.MaxEvent/5) },
		} {
			e := events.SkuProcessed("A", 1)
			spoil(&e)
			if err := outbox.Append(t.Context(), conn, events.SkuProcessed("B", 1), e); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: append gives %v, want a fault of kind Invalid", name, err)
			}
			if _, err := outbox.Values(t.Context(), e); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: values gives %v, want a fault of kind Invalid", name, err)
			}
		}
		e := events.SkuProcessed(strings.Repeat(".", outbox.MaxSubject), 1)
		if err := outbox.Append(t.Context(), conn, e); err != nil {
			t.Errorf("the longest subject: %v", err)
		}
		drain(t, newRelay(t, conn, openEmbedded(t), 10))
		if n := unsent(t, conn); n != 0 {
			t.Errorf("%d events are unsent", n)
		}
	})
}

// picky refuses batches that contain a poisoned event. Like a broker, it does not tell which
// event caused the refusal.
type picky struct {
	fragile

	poison map[string]bool
	cut    bool // each refusal breaks the connection, too: the next publish finds none
	broken bool
	calls  int
}

func (p *picky) Publish(ctx context.Context, stream string, messages []bus.Message) error {
	p.mu.Lock()
	p.calls++
	if p.broken {
		p.broken = false
		p.mu.Unlock()
		return bus.ErrUnavailable
	}
	for _, m := range messages {
		if p.poison[m.ID] {
			p.broken = p.cut
			p.mu.Unlock()
			return fmt.Errorf("%w: poisoned", bus.ErrRefused)
		}
	}
	p.mu.Unlock()
	return p.fragile.Publish(ctx, stream, messages)
}

// settle relays until no event is due, and ignores errors in between.
func settle(t *testing.T, conn *gorm.DB, relay *outbox.Relay) {
	t.Helper()
	for range 10_000 {
		_, err := relay.RunOnce(t.Context())
		if err != nil && !errors.Is(err, bus.ErrUnavailable) {
			t.Fatal(err)
		}
		if err == nil && unsent(t, conn) == 0 {
			return
		}
	}
	t.Fatalf("%d events stay unsent", unsent(t, conn))
}

func refused(t *testing.T, conn *gorm.DB, state string) (eventIDs []string) {
	t.Helper()
	found, err := outbox.ListRefused(t.Context(), conn, state, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := outbox.CountRefused(t.Context(), conn, state); int(n) != len(found) || err != nil {
		t.Errorf("%d are counted, %d listed, %v", n, len(found), err)
	}
	for _, r := range found {
		eventIDs = append(eventIDs, r.EventID)
	}
	return eventIDs
}

func TestRelayParksRefusedEventsAndSendsTheRest(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		for name, at := range map[string][]int{
			"the first": {0}, "the last": {249}, "in the middle": {137}, "neighbours": {99, 100, 101},
			"many": {0, 1, 5, 64, 127, 128, 200, 248, 249}, "none": nil,
		} {
			for _, cut := range []bool{false, true} {
				log := &picky{poison: map[string]bool{}, cut: cut}
				relay := newRelay(t, conn, log, 100)
				all := commit(t, conn, 0, 250)
				var good, bad []string
				for _, i := range at {
					log.poison[all[i]] = true
				}
				for _, id := range all {
					if log.poison[id] {
						bad = append(bad, id)
					} else {
						good = append(good, id)
					}
				}
				settle(t, conn, relay)
				same(t, log.taken, good)
				same(t, refused(t, conn, outbox.RefusedOpen), bad)
				if most := 20 + 30*len(bad); log.calls > most {
					t.Errorf("%s, cut %t: %d calls for %d refused events, want %d at the most", name, cut, log.calls, len(bad), most)
				}
				if n, err := outbox.RetryAllRefused(t.Context(), conn); int(n) != len(bad) || err != nil {
					t.Errorf("%s: %d are retried, %v", name, n, err)
				}
				log.poison = nil
				settle(t, conn, relay)
				same(t, log.taken, append(good, bad...))
			}
		}
	})
}

// However long an outage lasts, and however it alternates with refusals of another event, no
// event is parked because of it.
func TestOutageParksNoEvent(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		log := &picky{}
		relay := newRelay(t, conn, log, 4)
		want := commit(t, conn, 0, 10)
		for _, why := range []error{bus.ErrUnavailable, bus.ErrBlocked, context.DeadlineExceeded, errors.New("something else")} {
			log.set(why, nil)
			for range 20 {
				if _, err := relay.RunOnce(t.Context()); !errors.Is(err, why) {
					t.Fatalf("relay gives %v, want %v", err, why)
				}
			}
		}
		log.set(nil, nil)
		settle(t, conn, relay)
		same(t, log.taken, want)
		same(t, refused(t, conn, ""), nil)
	})
}

func TestDiscardRefusedStoresReason(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		all := commit(t, conn, 0, 3)
		log := &picky{poison: map[string]bool{all[0]: true, all[2]: true}}
		relay := newRelay(t, conn, log, 10)
		settle(t, conn, relay)
		found, err := outbox.ListRefused(t.Context(), conn, outbox.RefusedOpen, 0, 10)
		if err != nil || len(found) != 2 || found[0].State() != outbox.RefusedOpen || !strings.Contains(found[0].Refusal, "poisoned") {
			t.Fatalf("found %+v, %v", found, err)
		}
		if err := outbox.DiscardRefused(t.Context(), conn, found[0].ID, "a test"); err != nil {
			t.Fatal(err)
		}
		if err := outbox.DiscardRefused(t.Context(), conn, found[0].ID, "again"); !fault.Is(err, fault.Conflict) {
			t.Errorf("a second discard gives %v", err)
		}
		for _, id := range []int64{found[0].ID + 1, 1 << 40} { // one that was sent, and one that is not there
			if err := outbox.DiscardRefused(t.Context(), conn, id, "x"); !fault.Is(err, fault.NotFound) {
				t.Errorf("discard of %d gives %v", id, err)
			}
			if err := outbox.RetryRefused(t.Context(), conn, id); !fault.Is(err, fault.NotFound) {
				t.Errorf("retry of %d gives %v", id, err)
			}
		}
		same(t, refused(t, conn, outbox.RefusedOpen), all[2:])
		same(t, refused(t, conn, outbox.RefusedDiscarded), all[:1])
		log.poison = nil
		if err := outbox.RetryRefused(t.Context(), conn, found[0].ID); err != nil {
			t.Fatal(err)
		}
		settle(t, conn, relay)
		same(t, log.taken, []string{all[1], all[0]})
	})
}

// Rows of older versions may exceed AMQP's limits. The relay shortens their keys, and parks
// those that still cannot be sent.
func TestRelayHandlesRowsFromBeforeTheLimits(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		all := commit(t, conn, 0, 6)
		long := strings.Repeat("k", 300)
		for i, set := range []string{"routing_key = ?", "type = ?", "event_id = ?"} {
			if err := conn.Exec("UPDATE outbox SET "+set+" WHERE event_id = ?", long, all[i+1]).Error; err != nil {
				t.Fatal(err)
			}
		}
		log := openEmbedded(t)
		settle(t, conn, newRelay(t, conn, log, 10))
		same(t, history(t, log), []string{all[0], all[1], all[4], all[5]})
		same(t, refused(t, conn, outbox.RefusedOpen), []string{all[2], long})
	})
}

// A broker with a smaller size limit refuses one event; the others are sent.
func TestRelayParksEventAboveBrokersLimit(t *testing.T) {
	t.Parallel()
	node := nodes.RabbitMQ(t)
	if err := node.LimitMessages(20000); err != nil {
		t.Fatal(err)
	}
	log, err := rabbitmq.New(rabbitmq.Config{URLs: []string{node.URL()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	first := commit(t, conn, 0, 400)
	big := events.SkuProcessed("BIG", 1)
	big.Data.Href = "/" + strings.Repeat("x", 30_000)
	if err := outbox.Append(t.Context(), conn, big); err != nil {
		t.Fatal(err)
	}
	rest := commit(t, conn, 400, 400)
	relay := newRelay(t, conn, log, 1000)
	began := time.Now()
	settle(t, conn, relay)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	same(t, refused(t, conn, outbox.RefusedOpen), []string{big.ID})
	seen := map[string]bool{}
	for _, id := range history(t, log) {
		seen[id] = true
	}
	for _, id := range append(first, rest...) {
		if !seen[id] {
			t.Fatalf("event %s is not in the history", id)
		}
	}
	if err := node.LimitMessages(200000); err != nil {
		t.Fatal(err)
	}
	log2, err := rabbitmq.New(rabbitmq.Config{URLs: []string{node.URL()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer log2.Close()
	if err := log2.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := outbox.RetryAllRefused(t.Context(), conn); n != 1 || err != nil {
		t.Fatalf("%d are retried, %v", n, err)
	}
	settle(t, conn, newRelay(t, conn, log2, 1000))
	same(t, refused(t, conn, ""), nil)
}
