package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/outbox"
	"quadrille/test/harness/parts"
)

// losing has an outbox with its relays. A foreign queue is bound to the exchange, so that the
// broker confirms events although the history is missing.
type losing struct {
	t      *testing.T
	conn   *gorm.DB
	prefix string
	ch     *amqp.Channel
	log    *rabbitmq.Log
	relay  *outbox.Relay
}

func newLosing(t *testing.T, conn *gorm.DB) *losing {
	t.Helper()
	broker := parts.RabbitMQ(t)
	l := &losing{t: t, conn: conn, prefix: "t" + uuid.NewString()[:13] + "."}
	wire, err := amqp.Dial(broker)
	l.must(err)
	t.Cleanup(func() { _ = wire.Close() })
	l.ch, err = wire.Channel()
	l.must(err)
	l.log = l.open(broker)
	l.must(l.log.Publish(t.Context(), "sales", nil))
	t.Cleanup(func() {
		for _, queue := range []string{"sales.history", "foreign"} {
			_, err := l.ch.QueueDelete(l.prefix+queue, false, false, false)
			l.must(err)
		}
		l.must(l.ch.ExchangeDelete(l.prefix+"sales", false, false))
	})
	_, err = l.ch.QueueDeclare(l.prefix+"foreign", true, false, false, false, nil)
	l.must(err)
	l.bindForeign()
	return l
}

func (l *losing) open(broker string) *rabbitmq.Log {
	l.t.Helper()
	log, err := rabbitmq.New(rabbitmq.Config{URLs: []string{broker}, Prefix: l.prefix, Log: slog.New(slog.DiscardHandler)})
	l.must(err)
	l.t.Cleanup(func() { _ = log.Close() })
	l.must(log.Ready(l.t.Context()))
	return log
}

func (l *losing) bindForeign() {
	l.must(l.ch.QueueBind(l.prefix+"foreign", "", l.prefix+"sales", false, nil))
}

func (l *losing) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// start runs a relay that verifies often.
func (l *losing) start() *outbox.Relay {
	l.t.Helper()
	relay, err := outbox.NewRelay(outbox.RelayConfig{
		DB: l.conn, Bus: l.log, Stream: "sales", Batch: 20, Poll: 20 * time.Millisecond, Verify: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	l.must(err)
	ctx, cancel := context.WithCancel(l.t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = relay.Run(ctx) })
	l.t.Cleanup(func() { cancel(); running.Wait() })
	return relay
}

// holds waits until the history has all events.
func (l *losing) holds(all []string) {
	l.t.Helper()
	var found []string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		end, err := l.log.End(l.t.Context(), "sales")
		if err == nil && !end.IsStart() && unsent(l.t, l.conn) == 0 {
			found = history(l.t, l.log)
			if !slices.ContainsFunc(all, func(id string) bool { return !slices.Contains(found, id) }) {
				return
			}
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("the history holds %d events, %v; want %d", len(found), err, len(all))
		}
	}
}

// sent waits until every event of the outbox was confirmed once.
func (l *losing) sent() {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); unsent(l.t, l.conn) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatal("events stay unsent")
		}
	}
}

func (l *losing) deleteHistory() {
	_, err := l.ch.QueueDelete(l.prefix+"sales.history", false, false, false)
	l.must(err)
}

// The relay detects a lost history even though a foreign queue receives the events, and
// publishes the missing ones again without an operator.
func TestLostHistoryIsPublishedAgain(t *testing.T) {
	for name, lose := range map[string]func(l *losing){
		"deleted": (*losing).deleteHistory,
		"the binding removed": func(l *losing) {
			l.must(l.ch.QueueUnbind(l.prefix+"sales.history", "", l.prefix+"sales", nil))
		},
		"the exchange deleted": func(l *losing) {
			l.must(l.ch.ExchangeDelete(l.prefix+"sales", false, false))
			l.must(l.ch.ExchangeDeclare(l.prefix+"sales", "fanout", true, false, false, false, nil))
			l.bindForeign()
		},
		"replaced by an empty one": func(l *losing) {
			l.deleteHistory()
			_, err := l.ch.QueueDeclare(l.prefix+"sales.history", true, false, false, false, amqp.Table{"x-queue-type": "stream"})
			l.must(err)
			l.must(l.ch.QueueBind(l.prefix+"sales.history", "", l.prefix+"sales", false, nil))
		},
		"replaced by a classic queue that is deleted later": func(l *losing) {
			l.deleteHistory()
			_, err := l.ch.QueueDeclare(l.prefix+"sales.history", true, false, false, false, nil)
			l.must(err)
			l.must(l.ch.QueueBind(l.prefix+"sales.history", "", l.prefix+"sales", false, nil))
			for deadline := time.Now().Add(time.Minute); l.relay.History() == nil || !strings.Contains(l.relay.History().Error(), "classic queue"); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					l.t.Fatalf("History is %v", l.relay.History())
				}
			}
			l.deleteHistory()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, "sales", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
				l := newLosing(t, conn)
				l.relay = l.start()
				all := commit(t, conn, 0, 30)
				l.holds(all)
				lose(l)
				for i := range 5 { // the broker confirms them because of the foreign queue alone
					all = append(all, commit(t, conn, 100+10*i, 10)...)
					l.relay.Wake()
				}
				l.sent()
				l.holds(all)
				for deadline := time.Now().Add(time.Minute); l.relay.History() != nil; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("History is still %v", l.relay.History())
					}
				}
			})
		})
	}
}

// A history that is lost while no relay runs is published again at the next start. Two relays
// do not publish it again and again.
func TestHistoryLostWhileStoppedIsPublishedOnce(t *testing.T) {
	conn := dbtest.Postgres(t, "sales", dbtest.NoTables())
	l := newLosing(t, conn)
	all := commit(t, conn, 0, 45)
	relay := newRelay(t, conn, l.log, 10)
	for n := 1; n > 0; {
		var err error
		if n, err = relay.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.deleteHistory()
	l.relay = l.start()
	l.start()
	l.holds(all)
	end, err := l.log.End(t.Context(), "sales")
	l.must(err)
	time.Sleep(time.Second) // ten verifications of each
	if now, err := l.log.End(t.Context(), "sales"); err != nil || now != end {
		t.Errorf("at rest the history grew from %+v to %+v, %v", end, now, err)
	}
	if found := history(t, l.log); len(found) > 3*len(all) {
		t.Errorf("%d events were published %d times", len(all), len(found))
	}
}

// Verify finds the newest event although foreign events follow it and two relays take turns.
func TestVerifyIgnoresForeignEvents(t *testing.T) {
	conn := dbtest.SQLite(t, "sales", dbtest.NoTables())
	l := newLosing(t, conn)
	l.relay = l.start()
	l.holds(commit(t, conn, 0, 30))
	for i := range 3 {
		l.must(l.ch.PublishWithContext(t.Context(), l.prefix+"sales", "", true, false, amqp.Publishing{MessageId: fmt.Sprint("other", i), Body: []byte("{}")}))
	}
	time.Sleep(500 * time.Millisecond) // five verifications
	if found := history(t, l.log); len(found) != 33 {
		t.Errorf("the history holds %d events, want 33", len(found))
	}
	if err := l.relay.History(); err != nil {
		t.Error(err)
	}
}
