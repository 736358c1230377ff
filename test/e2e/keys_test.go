package e2e_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/services"
	"quadrille/services/gateway/auth"
	"quadrille/test/harness/identity"
)

// made makes a key by the command, which prints it alone.
func (m *machine) made(args ...string) (text string) {
	m.t.Helper()
	out, err := m.Command(append([]string{"keys", "create"}, args...)...).Output()
	text = strings.TrimSuffix(string(out), "\n")
	if err != nil || !strings.HasPrefix(text, "qk_") || strings.ContainsAny(text, " \n") {
		m.t.Fatalf("keys create %v: %v, %q", args, err, out)
	}
	return text
}

// keys returns the output of "keys list --json".
func (m *machine) keys() (list auth.KeyList) {
	m.t.Helper()
	if err := json.Unmarshal([]byte(m.must("keys", "list", "--json")), &list); err != nil {
		m.t.Fatal(err)
	}
	return list
}

func idOf(key string) string { return strings.Split(key, "_")[1] }

// Keys are made, used, listed and revoked whether or not the shop runs, whatever it
// runs on.
func TestKeysWithAndWithoutARunningShop(t *testing.T) {
	for name, env := range map[string]func(*testing.T) []string{
		"embedded":               func(*testing.T) []string { return nil },
		"embedded, with a token": func(*testing.T) []string { return []string{"INTERNAL_TOKEN=inner"} },
		"embedded, open":         func(*testing.T) []string { return []string{"INTERNAL_TOKEN=inner", "HOST=0.0.0.0"} },
		"embedded, by an issuer": func(*testing.T) []string { return identity.Env() },
		"real":                   realParts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, append(env(t), "RATE_LIMIT_ADDRESS=off")...)
			early := m.made("--name", "early", "--role", "customer", "--subject", "ann") // before there is a shop
			up := m.Start(nil, "up")
			m.readyAre(slices.Concat(services.Names(), []string{app.Gateway})...)
			v := visitor{t, m.URL(app.Gateway), client(t)}
			late := m.made("--name", "late", "--role", "warehouse,staff", "--expires", "1h")
			for key, want := range map[string]string{early: `"subject":"ann","roles":["customer"]`, late: `"roles":["warehouse","staff"]`} {
				if a := v.askAs("Bearer "+key, "GET", "/api/v1/me", ""); a.status != http.StatusOK || !strings.Contains(a.body, want) {
					t.Errorf("it is %d %s, want %s", a.status, a.body, want)
				}
			}
			listed := m.keys()
			shown := is[auth.KeyList](t, v.askAs("Bearer "+late, "GET", "/api/v1/ops/keys", ""), http.StatusOK)
			if fmt.Sprint(names(listed)) != "[early late]" || fmt.Sprint(names(shown)) != "[early late]" || listed.Items[1].ExpiresAt == nil || listed.Items[0].LastUsedAt == nil {
				t.Errorf("listed are %+v, shown %+v", listed, shown)
			}
			if out := m.must("keys", "list"); !strings.Contains(out, idOf(early)) || !strings.Contains(out, "warehouse,staff") || strings.Contains(out, early) {
				t.Errorf("list says\n%s", out)
			}
			if out := m.must("keys", "revoke", idOf(early)); !strings.Contains(out, "(early) is revoked") {
				t.Errorf("revoke says %q", out)
			}
			v.askAs("Bearer "+early, "GET", "/api/v1/me", "").refused(t, http.StatusUnauthorized, "key_revoked", "")
			m.stop(up)
			if out := m.must("keys", "revoke", idOf(late), idOf(early)); strings.Count(out, "is revoked") != 2 {
				t.Errorf("revoke says %q", out)
			}
			for _, k := range m.keys().Items {
				if k.RevokedAt == nil || k.Key != "" {
					t.Errorf("listed is %+v", k)
				}
			}
			m.Start(nil, "up")
			m.readyAre(app.Gateway)
			v.askAs("Bearer "+late, "GET", "/api/v1/me", "").refused(t, http.StatusUnauthorized, "key_revoked", "")
		})
	}
}

func names(list auth.KeyList) (all []string) {
	for _, k := range list.Items {
		all = append(all, k.Name)
	}
	return all
}

// What is wrong is said, and nothing is made.
func TestRefusesInvalidKeys(t *testing.T) {
	m := newMachine(t)
	refused := func() {
		t.Helper()
		for want, args := range map[string][]string{
			`"boss" is not a role; the roles are customer, warehouse and staff`:            {"create", "--name", "x", "--role", "boss"},
			"subject must name the customer for whom the key acts if the role is customer": {"create", "--name", "x", "--role", "customer"},
			"the role is customer, and be absent otherwise":                                {"create", "--name", "x", "--role", "staff", "--subject", "ann"},
			"subject must be 1 to 64":                                           {"create", "--name", "x", "--role", "customer", "--subject", "a b"},
			"name must have 1 to 100 characters":                                {"create", "--name", "", "--role", "staff"},
			"name must be UTF-8 without control characters":                     {"create", "--name", "\xff", "--role", "staff"},
			"; name must be UTF-8 without control characters":                   {"create", "--name", "a\x1b[31mb\n", "--role", "staff"},
			`subject must be 1 to 64 of A-Z a-z 0-9 . _ @ -, and neither . nor`: {"create", "--name", "x", "--role", "customer", "--subject", ".."},
			"expires_at is in the past":                                         {"create", "--name", "x", "--role", "staff", "--expires", "-1h"},
			`required flag(s) "name", "role" not set`:                           {"create"},
			"nosuch: key_unknown: there is no API key nosuch":                   {"revoke", "nosuch"},
			"../../healthz: key_unknown":                                        {"revoke", "../../healthz"},
			"requires at least 1 arg":                                           {"revoke"},
			"unknown command":                                                   {"list", "everything"},
		} {
			out, err := m.Run(append([]string{"keys"}, args...)...)
			if err == nil || !strings.Contains(out, want) || strings.Contains(out, "qk_") || strings.Contains(out, "goroutine") {
				t.Errorf("keys %v: %v, %s; want %s", args, err, out, want)
			}
		}
		if out := m.must("keys", "list"); out != "No keys.\n" {
			t.Errorf("there are\n%s", out)
		}
	}
	refused()
	m.Start([]string{"INTERNAL_TOKEN=inner"}, "up")
	m.up()
	for _, env := range []string{"INTERNAL_TOKEN=", "INTERNAL_TOKEN=wrong"} {
		m.Env = append(m.Env, env)
		for _, args := range [][]string{{"keys", "list"}, {"dead", "list", "gateway"}, {"replay", "gateway"}} {
			if out, err := m.Run(args...); err == nil || !strings.Contains(out, "INTERNAL_TOKEN") || !strings.Contains(out, m.URL(app.Gateway)) {
				t.Errorf("%v, without the token: %v, %s", args, err, out)
			}
		}
	}
	m.Env = append(m.Env, "INTERNAL_TOKEN=inner")
	refused()
	if out, err := m.Run("keys", "list", "--port", "1"); err == nil || !strings.Contains(out, "gateway.db is in use by another process, and no gateway answers at http://127.0.0.1:1") {
		t.Errorf("asked elsewhere: %v, %s", err, out)
	}
}

// A name from before names were looked at does nothing to a terminal.
func TestShowsNamesOfKeysUnchanged(t *testing.T) {
	m := newMachine(t)
	id := idOf(m.made("--name", "scanner", "--role", "warehouse"))
	conn, err := sql.Open("sqlite", db.DSN(filepath.Join(m.Data, "gateway.db")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.ExecContext(t.Context(), "UPDATE api_keys SET name = ?", "a\x1b[31m\nb")
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{m.must("keys", "list"), m.must("keys", "revoke", id)} {
		if !strings.Contains(out, `"a\x1b[31m\nb"`) || strings.Contains(out, "\x1b") {
			t.Errorf("it says %q", out)
		}
	}
}

// The gateway reads like any service, and its commands are the same.
func TestGatewayReplays(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machine, cfg app.Config) {
		m.Env = append(m.Env, identity.Env()...)
		if cfg.DatabaseURL != "" { // there is no file to leave a pass beside
			m.Env = append(m.Env, "INTERNAL_TOKEN=inner")
		}
		up := m.Start(nil, "up")
		m.readyAre(slices.Concat(services.Names(), []string{app.Gateway})...)
		m.must("traffic", invoices(t, 5), "--stock", "100")
		m.audit()
		publishOddities(t, openLog(t, cfg))
		caught := func() {
			t.Helper()
			if out := m.must("replay", "gateway", "--from", "sales"); !strings.Contains(out, "gateway has read sales again") {
				t.Errorf("replay says %q", out)
			}
		}
		caught()
		if out := m.must("replay", "gateway", "--dry-run"); strings.Count(out, "gateway would read") != 4 {
			t.Errorf("a dry run says %q", out)
		}
		running := m.must("dead", "list", "gateway")
		if !strings.Contains(running, "(no event)") {
			t.Errorf("dead letters are\n%s", running)
		}
		m.stop(up)
		if stopped := m.must("dead", "list", "gateway"); stopped != running {
			t.Errorf("of a stopped gateway they are\n%s, before\n%s", stopped, running)
		}
		if out := m.must("dead", "show", "gateway", "1"); !strings.Contains(out, "dead letter  1, open") {
			t.Errorf("it is\n%s", out)
		}
		for want, args := range map[string][]string{
			"gateway is not running":  {"dead", "retry", "gateway", "--all"},
			"state is one of parked":  {"dead", "list", "gateway", "--state", "odd"},
			"limit is 1 to 500":       {"dead", "list", "gateway", "--limit", "0"},
			"no such dead letter":     {"dead", "show", "gateway", "99"},
			"publishes no events":     {"rebuild", "gateway"},
			`gateway does not read "`: {"replay", "gateway", "--from", "stats"},
		} {
			if out, err := m.Run(args...); err == nil || !strings.Contains(out, want) {
				t.Errorf("%v: %v, %s; want %s", args, err, out, want)
			}
		}
		if out := m.must("replay", "gateway"); strings.Count(out, "gateway is not running. It will read") != 4 {
			t.Errorf("replay of a stopped gateway says %q", out)
		}
		m.Start(nil, "up")
		m.readyAre(slices.Concat(services.Names(), []string{app.Gateway})...)
		caught()
		if out := m.must("dead", "discard", "gateway", "--all", "--reason", "planted by a test"); !strings.Contains(out, "0 failed") || strings.HasPrefix(out, "0 ") {
			t.Errorf("discard says %q", out)
		}
		if out := m.must("dead", "list", "gateway"); out != "No dead letters.\n" {
			t.Errorf("left are\n%s", out)
		}
	})
}
