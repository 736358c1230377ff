package consumer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/test/harness/parts"
)

// message returns a message with an event of a subject.
func message(t *testing.T, id, subject string, version int64) bus.Message {
	t.Helper()
	e := events.SkuProcessed(subject, version)
	e.ID = id
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{ID: id, Type: e.Type, Body: body}
}

func send(t *testing.T, log bus.Bus, messages ...bus.Message) {
	t.Helper()
	if err := log.Publish(t.Context(), "inventory", messages); err != nil {
		t.Fatal(err)
	}
}

// A relay that is killed between publishing and recording a batch publishes the batch again.
// Its effects take place once, whether the consumer runs meanwhile, reads both copies at once
// or was restarted in between.
func TestDoublesTakeEffectOnce(t *testing.T) {
	for _, when := range []string{"at once", "later", "after a restart"} {
		t.Run(when, func(t *testing.T) {
			onEachOrdered(t, true, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
				j.set(map[string]error{"A400/1": errors.New("refused")})
				batch, want := make([]bus.Message, 500), []string{}
				for i := range batch {
					batch[i] = message(t, fmt.Sprint("e", i), fmt.Sprint("A", i), 1)
					if i != 400 {
						want = append(want, fmt.Sprintf("A%d/1", i))
					}
				}
				c, err := start()
				if err != nil {
					t.Fatal(err)
				}
				send(t, log, batch...)
				if when != "at once" {
					run(t, c)
				}
				if when == "after a restart" {
					if c, err = start(); err != nil {
						t.Fatal(err)
					}
				}
				send(t, log, batch...)
				publish(t, log, "B/1")
				run(t, c)
				same(t, "effects", madeBy(t, conn, j), append(want, "B/1")...)
				if all := letters(t, conn, ""); len(all) != 1 || all[0].Subject != "A400" || all[0].Attempts != 1 {
					t.Errorf("letters are %v, want one of A400 after one attempt", states(t, conn))
				}
			})
		})
	}
}

// A publisher that uses one ID for different events loses none of them, and stops nobody.
func TestEventsWithTheSameIDAreNoDoubles(t *testing.T) {
	onEachOrdered(t, true, func(t *testing.T, conn *gorm.DB, log bus.Bus, j *journal, start func() (*consumer.Consumer, error)) {
		send(t, log, message(t, "x", "A", 1), message(t, "x", "B", 1))
		c, err := start()
		if err != nil {
			t.Fatal(err)
		}
		run(t, c)
		j.set(map[string]error{"C/1": errors.New("refused"), "D/1": errors.New("refused")})
		send(t, log, message(t, "y", "C", 1))
		run(t, c)
		send(t, log, message(t, "y", "D", 1), message(t, "z", "E", 1))
		run(t, c)
		same(t, "effects", madeBy(t, conn, j), "A/1", "B/1", "E/1")
	})
}

// On RabbitMQ, the messages before the position are read from a stream.
func TestDoublesAfterARestartOnRabbitMQ(t *testing.T) {
	dbtest.Each(t, "tally", effectTables(), func(t *testing.T, conn *gorm.DB) {
		broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
		log, err := rabbitmq.New(rabbitmq.Config{URLs: []string{broker}, Prefix: prefix, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { deleteStream(t, broker, prefix+"inventory") })
		defer log.Close()
		if err := log.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		j := &journal{}
		batch := make([]bus.Message, 2500) // more than a consumer remembers
		for i := range batch {
			batch[i] = message(t, fmt.Sprint("e", i), fmt.Sprint("A", i), 1)
		}
		for range 2 {
			send(t, log, batch...)
			c, err := consumer.NewInOrder(config(conn, log), j)
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(60 * time.Second); c.Status(t.Context()).Lag > 0 && time.Now().Before(deadline); {
				_ = c.RunOnce(t.Context())
			}
			batch = batch[600:]
		}
		if n, all := len(committed(t, conn)), letters(t, conn, ""); n != 2500 || len(all) != 0 {
			t.Errorf("%d effects and %d letters, want 2500 and none", n, len(all))
		}
	})
}

// deleteStream deletes a stream and its exchange from the broker.
func deleteStream(t *testing.T, broker, exchange string) {
	t.Helper()
	conn, err := amqp.Dial(broker)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		_, err = ch.QueueDelete(exchange+".history", false, false, false)
	}
	if err == nil {
		err = ch.ExchangeDelete(exchange, false, false)
	}
	if err != nil {
		t.Error(err)
	}
}
