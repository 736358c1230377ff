package nodes

import (
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisNode is a Redis server of the test's own.
type RedisNode struct {
	process

	options redis.Options // that reach it
}

// Redis starts a Redis server on a free port of the loopback interface, with its
// data in a folder that goes with the test. What it was told it has written to a
// file before it answers, so that it survives a kill -9.
func Redis(t testing.TB) *RedisNode {
	t.Helper()
	port := freePort(t)
	return startRedis(t, folder(t, os.Getuid()), redis.Options{Addr: address(port)},
		"--port", strconv.Itoa(port), "--appendonly", "yes")
}

// RedisTLS starts a Redis that accepts only TLS, with a certificate and key in PEM,
// requires a password and persists nothing. settings are further arguments, such as
// "--maxclients", "20".
func RedisTLS(t testing.TB, certificate, key []byte, password string, settings ...string) *RedisNode {
	t.Helper()
	dir, port := folder(t, os.Getuid()), freePort(t)
	for name, content := range map[string][]byte{"cert.pem": certificate, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	options := redis.Options{
		Addr: address(port), Password: password,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
	}
	return startRedis(t, dir, options, append([]string{
		"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-auth-clients", "no", "--tls-cert-file", filepath.Join(dir, "cert.pem"),
		"--tls-key-file", filepath.Join(dir, "key.pem"), "--requirepass", password, "--appendonly", "no",
	}, settings...)...)
}

func startRedis(t testing.TB, dir string, options redis.Options, settings ...string) *RedisNode {
	t.Helper()
	server := need(t, "redis", "/usr/bin/redis-server")
	options.MaxRetries = -1
	n := &RedisNode{options: options}
	n.process = process{
		name:  "Redis at " + options.Addr,
		ready: n.answers,
		command: func() *exec.Cmd {
			cmd := exec.Command(server, append([]string{"--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no"}, settings...)...) //nolint:noctx // it outlives contexts, and is ours
			cmd.Dir = dir
			return cmd
		},
	}
	t.Cleanup(func() { _ = n.Kill() })
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// URL returns the URL of a server without TLS.
func (n *RedisNode) URL() string { return "redis://" + n.Address() + "/0" }

// Address returns the server's host and port.
func (n *RedisNode) Address() string { return n.options.Addr }

// Stop stops the server cleanly.
func (n *RedisNode) Stop() error { return n.stop(syscall.SIGTERM) }

func (n *RedisNode) answers(ctx context.Context) error {
	options := n.options
	c := redis.NewClient(&options)
	defer c.Close()
	return c.Ping(ctx).Err()
}
