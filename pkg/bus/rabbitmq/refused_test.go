package rabbitmq_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

// refusing publishes good messages around a bad one and checks what the log says: the
// bad one alone is refused, and the good ones are not held against it.
func refusing(t *testing.T, log *rabbitmq.Log, bad []byte) {
	t.Helper()
	good := func() bus.Message {
		return bus.Message{ID: uuid.NewString(), Type: "sales.order_placed", RoutingKey: "k", Body: []byte("good")}
	}
	poison := good()
	poison.Body = bad
	for name, batch := range map[string][]bus.Message{
		"alone": {poison}, "in the middle": {good(), poison, good()}, "last of many": append(many(500, good), poison),
	} {
		if err := published(t, log, batch); !errors.Is(err, bus.ErrRefused) || errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("%s: publish gives %v, want ErrRefused", name, err)
		}
		if err := published(t, log, many(3, good)); err != nil {
			t.Errorf("%s: messages after it: %v", name, err)
		}
	}
}

func many(n int, next func() bus.Message) []bus.Message {
	all := make([]bus.Message, n)
	for i := range all {
		all[i] = next()
	}
	return all
}

// published publishes a batch, again while the log is unavailable: a connection that
// was closed comes back.
func published(t *testing.T, log *rabbitmq.Log, batch []bus.Message) error {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := log.Publish(t.Context(), "sales", batch)
		if !errors.Is(err, bus.ErrUnavailable) || time.Now().After(deadline) {
			return err
		}
	}
}

func logAt(t *testing.T, broker, prefix string) *rabbitmq.Log {
	t.Helper()
	log, err := rabbitmq.New(rabbitmq.Config{URLs: []string{broker}, Prefix: prefix, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	if err := log.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return log
}

// A broker that takes less than others closes the channel over a larger message.
func TestRefusesMessagesAboveTheBrokersLimit(t *testing.T) {
	t.Parallel()
	node := nodes.RabbitMQ(t)
	if err := node.LimitMessages(50000); err != nil {
		t.Fatal(err)
	}
	refusing(t, logAt(t, node.URL(), ""), bytes.Repeat([]byte("x"), 50001))
}

// A broker may close the whole connection over a message. That is no outage.
func TestRefusesMessagesThatCloseTheConnection(t *testing.T) {
	t.Parallel()
	broker := parts.RabbitMQ(t)
	prefix := "t" + uuid.NewString()[:13] + "."
	t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
	for _, code := range []uint16{501, 505} {
		refusing(t, logAt(t, allergic(t, broker, code), prefix), []byte("poison"))
	}
}

// Every other way to end a connection or a channel says nothing against a message.
func TestOtherConnectionErrorsMeanUnavailable(t *testing.T) {
	t.Parallel()
	broker := parts.RabbitMQ(t)
	prefix := "t" + uuid.NewString()[:13] + "."
	t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
	for _, code := range []uint16{320, 402, 504, 530, 541} {
		log := logAt(t, allergic(t, broker, code), prefix)
		for range 3 {
			err := log.Publish(t.Context(), "sales", []bus.Message{{ID: "a", Type: "t", RoutingKey: "k", Body: []byte("poison")}})
			if !errors.Is(err, bus.ErrUnavailable) || errors.Is(err, bus.ErrRefused) {
				t.Errorf("%d: publish gives %v, want ErrUnavailable", code, err)
			}
		}
	}
}

// allergic stands before a broker and closes every connection on which the client
// sends "poison", as a broker does it, with the code. It returns the URL.
func allergic(t *testing.T, broker string, code uint16) string {
	t.Helper()
	target, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	address := target.Host
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { react(client, address, code) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	target.Host = l.Addr().String()
	return target.String()
}

func react(client net.Conn, broker string, code uint16) {
	defer client.Close()
	server, err := net.Dial("tcp", broker)
	if err != nil {
		return
	}
	defer server.Close()
	var turn sync.Mutex // whoever writes to the client
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			turn.Lock()
			_, failed := client.Write(buffer[:n])
			turn.Unlock()
			if err != nil || failed != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if bytes.Contains(buffer[:n], []byte("poison")) {
			turn.Lock()
			said := append([]byte{byte(code >> 8), byte(code), 4}, "oops\x00\x00\x00\x00"...)
			_, _ = client.Write(method(10, 50, string(said)))
			_ = server.Close()
			turn.Unlock()
			_, _ = io.Copy(io.Discard, client)
			return
		}
		if err != nil {
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}
