package main

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"quadrille/test/harness/parts"
)

// transports maps the names of transports, as the Ruby programs spell them, to functions
// that return their environment variables.
var transports = map[string]func(t *testing.T, name string) string{
	"redis": func(t *testing.T, name string) string {
		url := parts.Redis(t)
		t.Cleanup(func() { removeLists(t, url, name) })
		return "REDIS_URL=" + url
	},
	"rabbitmq": func(t *testing.T, name string) string {
		url := parts.RabbitMQ(t)
		t.Cleanup(func() { _, _ = channel(t, url).QueueDelete(name, false, false, false) }) // where it was declared
		return "AMQP_URL=" + url
	},
	"http": func(t *testing.T, _ string) string { return "PORT=" + strconv.Itoa(freePort(t)) },
}

// environment is that of a calculator of the test's own: CALC_NAME, then the
// transports.
func environment(t *testing.T, by ...string) (name string, env []string) {
	t.Helper()
	name = "calc." + uuid.NewString()
	env = []string{"CALC_NAME=" + name}
	for _, transport := range by {
		env = append(env, transports[transport](t, name))
	}
	return name, env
}

func removeLists(t *testing.T, url, name string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	r := redis.NewClient(options)
	defer r.Close()
	keys, err := r.Keys(context.Background(), name+"*").Result()
	if err != nil {
		t.Error(err)
	}
	if len(keys) > 0 {
		r.Del(context.Background(), keys...)
	}
}

// channel returns a channel to the broker, until the test ends.
func channel(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
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

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
