package rabbitmq_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

// What lies under the stream's names in another form is refused by name and form, for
// publishers and readers, whatever retention is asked for; no event is confirmed.
func TestRefusesQueuesOfOtherTypes(t *testing.T) {
	queue := func(durable bool, args amqp.Table) func(*amqp.Channel, string) error {
		return func(ch *amqp.Channel, prefix string) error {
			_, err := ch.QueueDeclare(prefix+"sales.history", durable, false, false, false, args)
			return err
		}
	}
	exchange := func(kind string, durable, autoDelete, internal bool) func(*amqp.Channel, string) error {
		return func(ch *amqp.Channel, prefix string) error {
			return ch.ExchangeDeclare(prefix+"sales", kind, durable, autoDelete, internal, false, nil)
		}
	}
	for name, tc := range map[string]struct {
		before func(*amqp.Channel, string) error
		wants  []string
	}{
		"a classic queue":            {queue(true, nil), []string{"sales.history", "classic queue", "want a stream"}},
		"a bounded classic queue":    {queue(true, amqp.Table{"x-max-length-bytes": int64(7e6)}), []string{"sales.history", "classic queue"}},
		"a quorum queue":             {queue(true, amqp.Table{"x-queue-type": "quorum"}), []string{"sales.history", "quorum queue"}},
		"a transient queue":          {queue(false, nil), []string{"sales.history", "durable false"}},
		"a topic exchange":           {exchange("topic", true, false, false), []string{"sales", "exchange of type topic", "want fanout"}},
		"a direct exchange":          {exchange("direct", true, false, false), []string{"sales", "exchange of type direct"}},
		"a transient exchange":       {exchange("fanout", false, false, false), []string{"exchange", "durable false"}},
		"an exchange that goes away": {exchange("fanout", true, true, false), []string{"exchange", "auto_delete true"}},
		"an internal exchange":       {exchange("fanout", true, false, true), []string{"exchange", "internal true"}},
	} {
		for retention, cfg := range map[string]rabbitmq.Config{"": {}, ", bounded": {MaxAge: "7D", MaxBytes: 5e6}} {
			t.Run(name+retention, func(t *testing.T) {
				t.Parallel()
				broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
				ch := channel(t, broker)
				if err := tc.before(ch, prefix); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
				cfg.URLs, cfg.Prefix = []string{broker}, prefix
				b := openAt(t, cfg)
				err := b.Publish(t.Context(), "sales", bustest.Messages(t, 1, time.Now()))
				if !errors.Is(err, bus.ErrMisconfigured) || !errors.Is(err, bus.ErrUnavailable) {
					t.Fatalf("publish gives %v", err)
				}
				for _, want := range tc.wants {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q is missing in %v", want, err)
					}
				}
				if strings.Contains(name, "queue") && name != "a transient queue" {
					if _, err := b.Subscribe(t.Context(), "sales", bus.Position{}); !errors.Is(err, bus.ErrMisconfigured) {
						t.Errorf("subscribe gives %v", err)
					}
				}
			})
		}
	}
}

// A right that is missing is told by the name of what it is missing for.
func TestNamesMissingRights(t *testing.T) {
	t.Parallel()
	node := nodes.RabbitMQ(t)
	all := openAt(t, rabbitmq.Config{URLs: []string{node.URL()}})
	if err := all.Publish(t.Context(), "sales", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Ctl("add_user", "clerk", "clerk"); err != nil {
		t.Fatal(err)
	}
	for name, rights := range map[string][]string{"configure": {"^$", ".*", ".*"}, "write": {".*", "^$", ".*"}, "read": {".*", ".*", "^$"}} {
		if _, err := node.Ctl(append([]string{"set_permissions", "clerk"}, rights...)...); err != nil {
			t.Fatal(err)
		}
		b := openAt(t, rabbitmq.Config{URLs: []string{strings.Replace(node.URL(), "guest:guest", "clerk:clerk", 1)}})
		_, err := b.Verify(t.Context(), "sales", bus.Published{}, bus.Position{})
		if !errors.Is(err, bus.ErrMisconfigured) || !strings.Contains(err.Error(), "sales") || !strings.Contains(err.Error(), "denies it to this user") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// Another retention alone is no reason to hold events back; it is logged once.
func TestKeepsAnotherRetention(t *testing.T) {
	t.Parallel()
	broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
	for i, cfg := range []rabbitmq.Config{{}, {MaxAge: "7D"}, {MaxBytes: 5e6}, {MaxAge: "1D", MaxBytes: 9e6}, {SegmentBytes: 1e6}} {
		var said strings.Builder
		cfg.URLs, cfg.Prefix, cfg.Log = []string{broker}, prefix, slog.New(slog.NewTextHandler(&said, nil))
		b, err := rabbitmq.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
		}
		for range 3 {
			if err := b.Publish(t.Context(), "sales", nil); err != nil {
				t.Errorf("%+v: %v", cfg, err)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(said.String(), "keeps the retention it was declared with"); n != min(i, 1) {
			t.Errorf("%d warnings: %s", n, said.String())
		}
	}
}
