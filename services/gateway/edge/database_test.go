package edge

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/idempotency"
)

// While the gateway's database is unavailable, requests that need it get 503 with
// Retry-After, and all others work.
func TestUnavailableDatabase(t *testing.T) {
	t.Parallel()
	conn, proxy := dbtest.Cuttable(t, app.Gateway, tables())
	seen := &requestLog{}
	var desk *AuditRunner
	own := func(c *Config) {
		c.Keys.DB, c.Answers, c.Audits.DB = conn, &idempotency.Store{DB: conn}, conn
		desk = c.Audits
	}
	d := opened(t, overHTTP, Config{}, seen.serveAll(), own)
	ctx, end := context.WithCancel(t.Context())
	var working sync.WaitGroup
	run := desk.Run // of this one, and not of the next that is made
	working.Go(func() { _ = run(ctx) })
	t.Cleanup(func() { end(); working.Wait() })
	keyed := opened(t, overHTTP, Config{}, seen.serveAll(), own, withKeys)
	made, err := auth.LocalKeys{Store: &auth.KeyStore{DB: conn}}.Create(t.Context(), auth.KeyRequest{Name: "x", Roles: []string{"staff"}})
	if err != nil {
		t.Fatal(err)
	}
	ask := map[string]func() (a answer, code string){
		"who a key is": func() (answer, string) { return keyed.ask("GET", prefix+"/me", "", as(made.Key)...), "identity_away" },
		"all keys":     func() (answer, string) { return d.ask("GET", prefix+"/ops/keys", ""), "database_away" },
		"a new key": func() (answer, string) {
			return d.ask("POST", prefix+"/ops/keys", `{"name":"y","roles":["staff"]}`), "database_away"
		},
		"the end of a key": func() (answer, string) { return d.ask("DELETE", prefix+"/ops/keys/"+made.ID, ""), "database_away" },
		"an audit":         func() (answer, string) { return d.ask("POST", prefix+"/ops/audit", ""), "database_away" },
		"what happens once": func() (answer, string) {
			return d.ask("POST", prefix+"/orders", "{}", "Idempotency-Key", "k"), "database_away"
		},
	}
	d.ask("GET", prefix+"/ops/audits/%00", "").refused(t, "an audit of a name that no database takes", http.StatusBadRequest, "text_malformed")
	proxy.Cut()
	for what, asked := range ask {
		a, code := asked()
		a.refused(t, what, http.StatusServiceUnavailable, code)
		if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("%s gives %v %s", what, a.header, a.body)
		}
	}
	if a := d.ask("GET", prefix+"/orders", ""); a.status != http.StatusOK {
		t.Errorf("a request without database gives %d %s", a.status, a.body)
	}
	if said := d.log.String() + keyed.log.String(); !strings.Contains(said, "the database is unavailable") || strings.Contains(said, "request failed") {
		t.Errorf("log: %s", said)
	}
	proxy.Mend()
	if a := keyed.ask("GET", prefix+"/me", "", as(made.Key)...); a.status != http.StatusOK {
		t.Errorf("when the database is available again: %d %s", a.status, a.body)
	}
}
