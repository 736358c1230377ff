package testnodes

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

	port     int
	password string
}

// RedisTLS starts a Redis server on a free port of the loopback interface that
// speaks TLS alone, with the certificate and key given in PEM, and demands a
// password. settings are further arguments, such as "--maxclients", "20".
func RedisTLS(t testing.TB, certificate, key []byte, password string, settings ...string) *RedisNode {
	t.Helper()
	program := need(t, "redis", "/usr/bin/redis-server")
	dir := folder(t, os.Getuid())
	n := &RedisNode{port: freePort(t), password: password}
	args := []string{
		"--bind", "127.0.0.1", "--port", "0", "--tls-port", strconv.Itoa(n.port), "--tls-auth-clients", "no",
		"--tls-cert-file", filepath.Join(dir, "cert.pem"), "--tls-key-file", filepath.Join(dir, "key.pem"),
		"--requirepass", password, "--save", "", "--appendonly", "no", "--dir", dir,
	}
	for name, content := range map[string][]byte{"cert.pem": certificate, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	n.process = process{
		name:    "Redis",
		ready:   n.answers,
		command: func() *exec.Cmd { return exec.Command(program, append(args, settings...)...) }, //nolint:noctx,gosec // it outlives contexts, and is ours
	}
	t.Cleanup(func() { _ = n.Kill() })
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Address is the server's host and port.
func (n *RedisNode) Address() string { return address(n.port) }

// Stop shuts the server down cleanly.
func (n *RedisNode) Stop() error { return n.stop(syscall.SIGTERM) }

func (n *RedisNode) answers(ctx context.Context) error {
	c := redis.NewClient(&redis.Options{
		Addr: n.Address(), Password: n.password, MaxRetries: -1,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // the test's own certificate
	})
	defer c.Close() //nolint:errcheck // it has answered
	return c.Ping(ctx).Err()
}
