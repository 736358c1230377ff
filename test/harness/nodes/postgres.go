package nodes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PostgresNode is a PostgreSQL server of the test's own.
type PostgresNode struct {
	process

	port int
}

// Postgres starts a PostgreSQL server on a free port of the loopback interface,
// with its data in a folder that goes with the test.
func Postgres(t testing.TB) *PostgresNode {
	t.Helper()
	return startPostgres(t, "initdb", "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
}

// Standby starts a server that follows n.
func (n *PostgresNode) Standby(t testing.TB) *PostgresNode {
	t.Helper()
	return startPostgres(t, "pg_basebackup", "--dbname", n.URL(), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync")
}

// startPostgres starts a server on data that a program makes.
func startPostgres(t testing.TB, program string, args ...string) *PostgresNode {
	t.Helper()
	initdb := need(t, "postgres", "/usr/lib/postgresql/*/bin/initdb")
	as := ownerOf(t)
	uid := os.Getuid()
	if as != nil {
		uid = int(as.Uid)
	}
	dir := folder(t, uid)
	run := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(filepath.Dir(initdb), program), args...) //nolint:noctx // it outlives contexts, and is ours
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := run(program, append(args, "--pgdata", data)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	n := &PostgresNode{port: freePort(t)}
	n.process = process{
		name: "PostgreSQL",
		command: func() *exec.Cmd {
			return run("postgres", "-D", data, "-p", strconv.Itoa(n.port), "-c", "listen_addresses=127.0.0.1",
				"-c", "unix_socket_directories="+dir, "-c", "max_connections=200", "-c", "logging_collector=off")
		},
		ready: n.answers,
	}
	t.Cleanup(func() {
		_ = n.stop(syscall.SIGQUIT) // at once, but without leaving its shared memory to the machine
		_ = n.Kill()
	})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// ownerOf returns the user to run the server as, since PostgreSQL refuses to run as root.
// It returns nil for the user who runs the test.
func ownerOf(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skipf("no user to run PostgreSQL as: %v", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32) // numbers, as the system has them
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// URL returns the server's URL for its superuser.
func (n *PostgresNode) URL() string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", n.Address())
}

// Address returns the server's host and port.
func (n *PostgresNode) Address() string { return address(n.port) }

// Stop shuts the server down cleanly, cutting off whoever is connected.
func (n *PostgresNode) Stop() error { return n.stop(syscall.SIGINT) }

func (n *PostgresNode) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, n.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}
