//go:build docker

// Command container starts PostgreSQL, RabbitMQ or Redis in a Docker container and prints
// its URL. The container lives until the standard input ends. Package parts runs it for
// tests on a machine without these servers.
//
// It is a program with a build tag of its own, because testcontainers brings 73 packages:
// only who starts a container compiles them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// startWithin bounds the start of a container with the pull of its image.
const startWithin = 8 * time.Minute

// server is one kind of server.
type server struct {
	image, port string
	env         map[string]string
	url         func(address string) string
	ready       func(ctx context.Context, url string) error
}

// servers returns the kinds of servers by the names of package parts.
func servers() map[string]server {
	return map[string]server{
		"postgres": {
			image: "postgres:17-alpine", port: "5432/tcp", env: map[string]string{"POSTGRES_HOST_AUTH_METHOD": "trust"},
			url: func(a string) string { return "postgres://postgres@" + a + "/postgres?sslmode=disable" },
			ready: func(ctx context.Context, url string) error {
				conn, err := pgx.Connect(ctx, url)
				if err != nil {
					return err
				}
				return conn.Close(ctx)
			},
		},
		"rabbitmq": {
			image: "rabbitmq:4.0-alpine", port: "5672/tcp",
			url: func(a string) string { return "amqp://guest:guest@" + a + "/" },
			ready: func(_ context.Context, url string) error {
				conn, err := amqp.Dial(url)
				if err != nil {
					return err
				}
				return conn.Close()
			},
		},
		"redis": {
			image: "redis:7-alpine", port: "6379/tcp",
			url: func(a string) string { return "redis://" + a + "/0" },
			ready: func(ctx context.Context, url string) error {
				options, err := redis.ParseURL(url)
				if err != nil {
					return err
				}
				c := redis.NewClient(options)
				defer c.Close()
				return c.Ping(ctx).Err()
			},
		},
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: container postgres|rabbitmq|redis")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run starts a server, prints its URL, and removes the server at the end of in.
func run(name string, in io.Reader, out io.Writer) (err error) {
	s, found := servers()[name]
	if !found {
		return fmt.Errorf("no server is called %q", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	c, err := testcontainers.Run(ctx, s.image, testcontainers.WithExposedPorts(s.port), testcontainers.WithEnv(s.env),
		// The port is open before the server accepts clients: await decides.
		testcontainers.WithWaitStrategyAndDeadline(startWithin, wait.ForMappedPort(s.port)))
	defer func() { err = errors.Join(err, testcontainers.TerminateContainer(c)) }()
	if err != nil {
		return fmt.Errorf("start %s: %w", s.image, err)
	}
	address, err := c.PortEndpoint(ctx, s.port, "")
	if err != nil {
		return fmt.Errorf("find the port of %s: %w", s.image, err)
	}
	if err := await(ctx, s, s.url(address)); err != nil {
		return fmt.Errorf("%s does not accept clients: %w", s.image, err)
	}
	if _, err := fmt.Fprintln(out, s.url(address)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// await waits until the server accepts a client.
func await(ctx context.Context, s server, url string) error {
	for {
		try, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := s.ready(try, url)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
