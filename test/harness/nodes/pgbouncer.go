package nodes

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PgBouncerNode is a PgBouncer of the test's own, before a PostgreSQL server.
type PgBouncerNode struct {
	process

	server *url.URL
	port   int
}

// PgBouncer starts PgBouncer before the server at a URL, which must trust the users that
// come without a password. settings are lines of its configuration: pool_mode = …
func PgBouncer(t testing.TB, server string, settings ...string) *PgBouncerNode {
	t.Helper()
	program := need(t, "pgbouncer", "/usr/sbin/pgbouncer")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	as, uid := ownerOf(t), os.Getuid()
	if as != nil {
		uid = int(as.Uid)
	}
	dir := folder(t, uid)
	n := &PgBouncerNode{server: u, port: freePort(t)}
	lines := append([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%s", u.Hostname(), u.Port()),
		"[pgbouncer]",
		fmt.Sprintf("listen_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =", n.port),
		"auth_type = any\nadmin_users = postgres\nmax_client_conn = 500\ndefault_pool_size = 20\nlogfile = pgbouncer.log",
	}, settings...)
	// auth_type any logs in as the user that the database names.
	lines[1] += " user=" + u.User.Username()
	ini := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(ini, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.process = process{
		name: "PgBouncer",
		command: func() *exec.Cmd {
			cmd := exec.Command(program, ini) //nolint:noctx // it outlives contexts, and is ours
			cmd.Dir = dir
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
			return cmd
		},
		ready: n.answers,
	}
	t.Cleanup(func() { _ = n.Kill() })
	if err := n.Start(); err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "pgbouncer.log"))
		t.Fatalf("%v\n%s", err, said)
	}
	return n
}

// URL returns the server's URL through PgBouncer, with the same user.
func (n *PgBouncerNode) URL() string {
	u := *n.server
	u.Host = address(n.port)
	return u.String()
}

func (n *PgBouncerNode) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, n.URL()+"&default_query_exec_mode=simple_protocol")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}
