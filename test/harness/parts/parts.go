// Package parts finds the real parts that tests run against: PostgreSQL,
// RabbitMQ, Redis, Ruby, Node.js, Chromium, and network namespaces. Servers are those of
// TEST_POSTGRES_URL, TEST_AMQP_URL and TEST_REDIS_URL, else whatever answers at the
// standard local port, else a container where Docker answers. A part that cannot be
// had skips the test, unless QUADRILLE_TEST_REQUIRE names it: then the test fails,
// so that no machine that should run everything runs less unseen.
package parts

import (
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Postgres returns the URL of a PostgreSQL server on which tests may create schemas.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres.url(t)
}

// RabbitMQ returns the URL of a RabbitMQ server on which tests may declare exchanges and
// queues.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	return rabbitmq.url(t)
}

// Redis returns the URL of a Redis server on which tests may keep lists.
func Redis(t testing.TB) string {
	t.Helper()
	return redisPart.url(t)
}

// part is one kind of server and the ways to find one.
type part struct {
	name      string // in QUADRILLE_TEST_REQUIRE, and of package container
	variable  string
	local     string // address of the standard port
	at        func(address string) string
	container func() (*started, error) // starts one container for all tests of this process
}

var (
	postgres = newPart("postgres", "TEST_POSTGRES_URL", "127.0.0.1:5432",
		func(a string) string { return "postgres://postgres@" + a + "/postgres?sslmode=disable" })
	rabbitmq = newPart("rabbitmq", "TEST_AMQP_URL", "127.0.0.1:5672",
		func(a string) string { return "amqp://guest:guest@" + a + "/" })
	redisPart = newPart("redis", "TEST_REDIS_URL", "127.0.0.1:6379",
		func(a string) string { return "redis://" + a + "/0" })
)

func newPart(name, variable, local string, at func(address string) string) *part {
	return &part{name, variable, local, at, sync.OnceValues(func() (*started, error) { return startContainer(name) })}
}

func (p *part) url(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(p.variable); u != "" {
		return u
	}
	if conn, err := net.DialTimeout("tcp", p.local, time.Second); err == nil {
		_ = conn.Close()
		return p.at(p.local)
	}
	c, err := p.container()
	if err == nil {
		return c.url
	}
	missingf(t, p.name, "no %s: set %s, or start one at %s, or Docker (%v)", p.name, p.variable, p.local, err)
	return ""
}

// missingf ends a test for want of a part, as QUADRILLE_TEST_REQUIRE has it.
func missingf(t testing.TB, part, format string, args ...any) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("QUADRILLE_TEST_REQUIRE"), ","), part) {
		t.Fatalf(part+" is required: "+format, args...)
	}
	t.Skipf(format, args...)
}
