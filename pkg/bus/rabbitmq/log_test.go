package rabbitmq_test

import (
	"encoding/binary"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Driver {
		broker := parts.RabbitMQ(t)
		prefix := "t" + uuid.NewString()[:13] + "."
		t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
		target, err := url.Parse(broker)
		if err != nil {
			t.Fatal(err)
		}
		proxy := nodes.NewAMQPProxy(t, target.Host)
		target.Host = proxy.Address()
		return bustest.Driver{
			Open: func(t *testing.T) bus.Bus {
				b, err := rabbitmq.New(rabbitmq.Config{URLs: []string{target.String()}, Prefix: prefix, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = b.Close() })
				if err := b.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				return b
			},
			Cut: func(*testing.T) func() {
				proxy.Cut()
				return proxy.Mend
			},
			Block: func(t *testing.T) func() {
				proxy.Inject(t, method(10, 60, "\x0elow on memory!"))
				return func() { proxy.Inject(t, method(10, 61, "")) }
			},
			Forget: func(t *testing.T, stream string) { deleteStream(t, broker, prefix, stream) },
			Delete: func(t *testing.T, stream string) { deleteQueue(t, channel(t, broker), prefix, stream) },
		}
	})
}

// method returns an AMQP 0-9-1 method frame on channel 0 (specification, section
// 2.3.5): how a broker says connection.blocked, without being short of memory.
func method(class, id uint16, arguments string) []byte {
	payload := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), id)
	payload = append(payload, arguments...)
	frame := binary.BigEndian.AppendUint32([]byte{1, 0, 0}, uint32(len(payload)))
	return append(append(frame, payload...), 0xCE)
}

func channel(t *testing.T, broker string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(broker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func deleteQueue(t *testing.T, ch *amqp.Channel, prefix, stream string) {
	t.Helper()
	if _, err := ch.QueueDelete(prefix+stream+".history", false, false, false); err != nil {
		t.Error(err)
	}
}

func deleteStream(t *testing.T, broker, prefix, stream string) {
	t.Helper()
	ch := channel(t, broker)
	deleteQueue(t, ch, prefix, stream)
	if err := ch.ExchangeDelete(prefix+stream, false, false); err != nil {
		t.Error(err)
	}
}

func TestNamesTheBrokerItCannotReach(t *testing.T) {
	t.Parallel()
	if _, err := rabbitmq.New(rabbitmq.Config{URLs: []string{"amqp://shop:s3cret@host:port/"}, Log: slog.New(slog.DiscardHandler)}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a malformed URL gives %v", err)
	}
	var told strings.Builder
	b, err := rabbitmq.New(rabbitmq.Config{URLs: []string{"amqp://shop:s3cret@127.0.0.1:1/"}, Log: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for b.State() == nil || !strings.Contains(b.State().Error(), "refused") {
		if time.Now().After(deadline) {
			t.Fatalf("state is %v", b.State())
		}
		time.Sleep(time.Millisecond)
	}
	state := b.State().Error()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(state, "127.0.0.1:1") || !strings.Contains(told.String(), "next_try_at=127.0.0.1:1") {
		t.Errorf("neither %q nor the log names the broker: %s", state, told.String())
	}
	if strings.Contains(state+told.String(), "s3cret") {
		t.Error("the password was told")
	}
}
