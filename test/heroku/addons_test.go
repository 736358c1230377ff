package heroku_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"quadrille/test/harness/nodes"
)

// connections is the connection limit of each small plan.
const connections = 20

// addon is one add-on of app.json: what it takes to have it, and the config var by
// which the app is told of it.
type addon struct {
	variable  string
	provision func(t *testing.T, w *network) (value string)
}

// plans returns the add-ons of this Heroku.
func plans() map[string]addon {
	return map[string]addon{
		"heroku-postgresql:essential-0": {"DATABASE_URL", postgres},
		"cloudamqp:lemur":               {"CLOUDAMQP_URL", cloudamqp},
		"heroku-redis:mini":             {"REDIS_URL", keyValueStore},
	}
}

// provision makes the add-ons, and the config vars that name them.
func provision(t *testing.T, w *network, wanted []string) (config map[string]string) {
	t.Helper()
	config = map[string]string{}
	for _, plan := range wanted {
		a, known := plans()[plan]
		if !known {
			t.Fatalf("app.json wants %s, which is none of the plans that are played here", plan)
		}
		config[a.variable] = a.provision(t, w)
	}
	return config
}

// postgres demands TLS with a certificate that nobody signed, and lets its user in so
// many times.
func postgres(t *testing.T, w *network) string {
	n := nodes.Postgres(t)
	conn, err := pgx.Connect(t.Context(), n.URL())
	must(t, err)
	defer conn.Close(t.Context())
	run := func(sql string, args ...any) {
		_, err := conn.Exec(t.Context(), fmt.Sprintf(sql, args...))
		must(t, err)
	}
	var data string
	must(t, conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&data))
	c := selfSigned(t)
	writeAs(t, data, map[string][]byte{
		"server.crt": c.certificate, "server.key": c.key,
		"pg_hba.conf": []byte("hostssl all shop all scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"),
	})
	run("CREATE ROLE shop LOGIN PASSWORD 's3cret' CONNECTION LIMIT %d", connections)
	run("CREATE DATABASE shop OWNER shop")
	run("ALTER SYSTEM SET ssl = on")
	run("SELECT pg_reload_conf()")
	as := "postgres://shop:s3cret@" + n.Address() + "/shop?sslmode="
	eventually(t, "PostgreSQL speaks TLS", func(ctx context.Context) error { return ping(ctx, as+"require") })
	if ping(t.Context(), as+"disable") == nil {
		t.Fatal("PostgreSQL lets in who does without TLS")
	}
	w.openGate(t, "5432", n.Address(), nil)
	return "postgres://shop:s3cret@" + addons + ":5432/shop"
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// writeAs writes files into a folder, as those of its owner.
func writeAs(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	info, err := os.Stat(folder)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	for name, content := range files {
		path := filepath.Join(folder, name)
		_ = os.Remove(path)
		must(t, os.WriteFile(path, content, 0o600))
		must(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
	}
}

// cloudamqp starts a broker behind TLS, with a certificate that the machine trusts, and
// returns the URL of a virtual host with a limit of connections.
func cloudamqp(t *testing.T, w *network) string {
	n := nodes.RabbitMQ(t)
	for _, args := range [][]string{
		{"add_vhost", "lemur"},
		{"set_permissions", "-p", "lemur", "guest", ".*", ".*", ".*"},
		{"set_vhost_limits", "-p", "lemur", fmt.Sprintf(`{"max-connections": %d}`, connections)},
	} {
		_, err := n.Ctl(args...)
		must(t, err)
	}
	w.broker = n
	c := selfSigned(t)
	w.openGate(t, "5671", n.Address(), c.pair(t))
	w.trusted = append(w.trusted, c.certificate...)
	return "amqps://guest:guest@" + addons + "/lemur"
}

// keyValueStore starts a Redis that accepts only TLS, with a self-signed certificate.
func keyValueStore(t *testing.T, w *network) string {
	c := selfSigned(t)
	n := nodes.RedisTLS(t, c.certificate, c.key, "s3cret", "--maxclients", strconv.Itoa(connections))
	w.openGate(t, "6379", n.Address(), nil)
	return "rediss://:s3cret@" + addons + ":6379"
}
