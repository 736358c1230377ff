package nodes

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// A backend that is busy does not notice that the postmaster is dead.
func TestKillTakesBusyBackends(t *testing.T) {
	t.Parallel()
	n := Postgres(t)
	for range 3 {
		conn, err := pgx.Connect(t.Context(), n.URL())
		if err != nil {
			t.Fatal(err)
		}
		pid := int(conn.PgConn().PID())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 2000000000)")
		}()
		busy(t, n, pid)
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		if alive(pid) {
			t.Error("a backend outlives its server")
		}
		<-done
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// busy waits until a backend runs its query.
func busy(t *testing.T, n *PostgresNode, pid int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), n.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for active := false; !active; {
		if err := conn.QueryRow(t.Context(), "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1", pid).Scan(&active); err != nil {
			t.Fatal(err)
		}
	}
}
