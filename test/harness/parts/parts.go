// Package parts finds the real parts that tests run against: PostgreSQL,
// RabbitMQ, Redis, Ruby, Node.js, Chromium, and network namespaces. Servers are those of
// TEST_POSTGRES_URL, TEST_AMQP_URL and TEST_REDIS_URL, else whatever answers at the
// standard local port, else a container where Docker answers. A part that cannot be
// had skips the test, unless QUADRILLE_TEST_REQUIRE names it: then the test fails,
// so that no machine that should run everything runs less unseen.
package parts

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
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

// part is one kind of server and the ways to come by it.
type part struct {
	name     string // as QUADRILLE_TEST_REQUIRE spells it
	variable string
	local    string // address of the standard port
	at       func(address string) string
	image    string
	port     string
	env      map[string]string
	start    func() (string, error) // at most one container for all tests of a process
}

var (
	postgres = &part{
		name: "postgres", variable: "TEST_POSTGRES_URL", local: "127.0.0.1:5432",
		at:    func(a string) string { return "postgres://postgres@" + a + "/postgres?sslmode=disable" },
		image: "postgres:17-alpine", port: "5432/tcp", env: map[string]string{"POSTGRES_HOST_AUTH_METHOD": "trust"},
	}
	rabbitmq = &part{
		name: "rabbitmq", variable: "TEST_AMQP_URL", local: "127.0.0.1:5672",
		at:    func(a string) string { return "amqp://guest:guest@" + a + "/" },
		image: "rabbitmq:4.0-alpine", port: "5672/tcp",
	}
	redisPart = &part{
		name: "redis", variable: "TEST_REDIS_URL", local: "127.0.0.1:6379",
		at:    func(a string) string { return "redis://" + a + "/0" },
		image: "redis:7-alpine", port: "6379/tcp",
	}
	once sync.Mutex

	errNoDocker = errors.New("no Docker engine answers")
)

func (p *part) url(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(p.variable); u != "" {
		return u
	}
	if conn, err := net.DialTimeout("tcp", p.local, time.Second); err == nil {
		_ = conn.Close()
		return p.at(p.local)
	}
	u, err := p.container()
	if err == nil {
		return u
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

// container starts the part in Docker, once for this process. Docker's reaper
// removes it when the process has ended.
func (p *part) container() (string, error) {
	once.Lock()
	defer once.Unlock()
	if p.start == nil {
		p.start = sync.OnceValues(p.run)
	}
	return p.start()
}

func (p *part) run() (address string, err error) {
	defer func() {
		if r := recover(); r != nil { // testcontainers panics where it finds no Docker
			err = errNoDocker
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image: p.image, ExposedPorts: []string{p.port}, Env: p.env,
			WaitingFor: wait.ForListeningPort(p.port),
		},
		Started: true,
	})
	if err != nil {
		return "", err
	}
	endpoint, err := c.Endpoint(ctx, "")
	if err != nil {
		return "", err
	}
	return p.at(endpoint), nil
}
