package nodes

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
)

func TestPostgresSurvivesKill(t *testing.T) {
	t.Parallel()
	began := time.Now()
	n := Postgres(t)
	t.Logf("started in %s", time.Since(began))
	exec := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), n.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE kept (n integer)")
	exec("INSERT INTO kept VALUES (7)")
	for name, end := range map[string]func() error{"kill": n.Kill, "stop": n.Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := n.answers(t.Context()); err == nil {
			t.Errorf("answers after %s", name)
		}
		if err := n.Start(); err != nil {
			t.Fatalf("start after %s: %v", name, err)
		}
		exec("DO $$ BEGIN ASSERT (SELECT n FROM kept) = 7; END $$")
	}
}

func TestRedisSurvivesKill(t *testing.T) {
	t.Parallel()
	n := Redis(t)
	c := redis.NewClient(&redis.Options{Addr: n.Address()})
	defer c.Close()
	if err := c.Set(t.Context(), "kept", 7, 0).Err(); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func() error{"kill": n.Kill, "stop": n.Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := n.answers(t.Context()); err == nil {
			t.Errorf("answers after %s", name)
		}
		if err := n.Start(); err != nil {
			t.Fatalf("start after %s: %v", name, err)
		}
		if got, err := c.Get(t.Context(), "kept").Int(); err != nil || got != 7 {
			t.Errorf("after %s: %d, %v", name, got, err)
		}
	}
}

// publish puts one message into a stream and waits for its confirm. A stream is
// not there at once when its node has started.
func publish(t *testing.T, n *RabbitNode) {
	t.Helper()
	if err := n.eventually(func() error { return publishOnce(t, n.URL()) }); err != nil {
		t.Fatal(err)
	}
}

func publishOnce(t *testing.T, url string) error {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		_, err = ch.QueueDeclare("kept", true, false, false, false, amqp.Table{"x-queue-type": "stream"})
	}
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		return err
	}
	c, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "kept", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")})
	if err == nil && !c.Wait() {
		err = errors.New("not confirmed")
	}
	return err
}

// count reads what is in the stream.
func count(t *testing.T, url string, want int) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Qos(10, 0, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := ch.Consume("kept", "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range want {
		select {
		case <-found:
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d messages are there", n, want)
		}
	}
}

func settle(t *testing.T, nodes ...*RabbitNode) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Settle(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRabbitMQSurvivesKill(t *testing.T) {
	t.Parallel()
	began := time.Now()
	n := RabbitMQ(t)
	t.Logf("started in %s", time.Since(began))
	publish(t, n)
	settle(t, n)
	for i, end := range []func() error{n.Kill, n.Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		publish(t, n)
		count(t, n.URL(), i+2)
	}
	for _, on := range []bool{true, false} {
		if err := n.DiskAlarm(on); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, n)
}

// Whichever node of three is killed, the stream is taken and told by the others.
func TestClusterSurvivesAnyNode(t *testing.T) {
	t.Parallel()
	began := time.Now()
	nodes := RabbitCluster(t, 3)
	t.Logf("started in %s", time.Since(began))
	publish(t, nodes[0])
	settle(t, nodes...)
	for i, n := range nodes {
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		alive := nodes[(i+1)%3]
		publish(t, alive)
		count(t, alive.URL(), i+2)
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
}
