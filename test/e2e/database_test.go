package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5"

	"quadrille/services"
	"quadrille/test/harness"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

// bodies are requests that are right, by service, method and path of its document.
func bodies() map[string]string {
	return map[string]string{
		"inventory POST /receipts":     `{"external_id":"r1","sku":"A","quantity":5}`,
		"inventory POST /adjustments":  `{"external_id":"a1","sku":"A","delta":1,"reason":"counted"}`,
		"inventory POST /imports":      "external_id,sku,quantity\nr2,A,1\n",
		"catalog PUT /products/{sku}":  `{"title":"A","price":{"amount":"1.00","currency":"GBP"}}`,
		"sales POST /orders":           `{"customer":"ann","lines":[{"sku":"A","quantity":1}]}`,
		"sales POST /orders/{id}/ship": "",
	}
}

// endpoints returns all that a service answers from its database, with parameters filled in.
func endpoints(t *testing.T, s *harness.Shop, service string) (all [][2]string) {
	t.Helper()
	status, body := request(t, s, service, http.MethodGet, "/openapi.yaml", "")
	document, err := openapi3.NewLoader().LoadFromData([]byte(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("document of %s: %d %v", service, status, err)
	}
	fill := strings.NewReplacer("/dead-letters/{id}", "/dead-letters/1", "/outbox/refused/{id}", "/outbox/refused/1", "{name}", "none", "{stream}", "inventory", "{order}", "01890000-0000-7000-8000-000000000000", "{id}", "01890000-0000-7000-8000-000000000000",
		"{code}", "A", "{sku}", "A", "{customer}", "ann")
	for path, item := range document.Paths.Map() {
		switch path {
		case "/healthz", "/readyz", "/metrics", "/docs", "/openapi.yaml":
			continue
		}
		for method := range item.Operations() {
			all = append(all, [2]string{method + " " + fill.Replace(path), bodies()[service+" "+method+" "+path]})
		}
	}
	return all
}

func request(t *testing.T, s *harness.Shop, service, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL(service)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(body, "external_id") {
		r.Header.Set("Content-Type", "text/csv")
	}
	r.Header.Set("If-Match", `"1"`)
	answer, err := s.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
		t.Errorf("%s of %s gives 503 without Retry-After", method+" "+path, service)
	}
	return answer.StatusCode, string(said)
}

// Without its database a service answers nothing with 500: what it needs the database
// for is 503, whichever way the query goes.
func TestDatabaseFailuresAnswer503(t *testing.T) {
	t.Parallel()
	cfg := harness.Real(t)
	server, err := url.Parse(cfg.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := nodes.NewProxy(t, server.Host)
	server.Host = proxy.Address()
	cfg.DatabaseURL = server.String()
	s := harness.Start(t, cfg)
	t.Cleanup(proxy.Mend)
	// What is refused before anything is read, and what asks another one first.
	without := map[string]bool{
		"POST /dead-letters/retry": true, "POST /dead-letters/discard": true, "DELETE /dead-letters/1": true, "DELETE /outbox/refused/1": true,
		"POST /tasks/none/run":                 true,
		"POST /subscriptions/inventory/replay": true, "POST /outbox/rebuild": true,
	}
	asked := map[string][][2]string{}
	for _, service := range services.Names() {
		asked[service] = endpoints(t, s, service)
	}
	walk := func(t *testing.T) {
		n := 0
		for service, all := range asked {
			for _, e := range all {
				n++
				method, path, _ := strings.Cut(e[0], " ")
				status, said := request(t, s, service, method, path, e[1])
				if status != http.StatusServiceUnavailable && (status < 400 || status >= 500 || !without[e[0]]) {
					t.Errorf("%s of %s gives %d %s", e[0], service, status, said)
				}
			}
		}
		if n < 60 {
			t.Errorf("only %d endpoints were asked", n)
		}
	}
	t.Run("cut off", func(t *testing.T) {
		proxy.Cut()
		defer proxy.Mend()
		walk(t)
	})
	t.Run("its schemas are renamed", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), parts.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		rename := func(from, to string) {
			for _, service := range services.Names() {
				schema := cfg.SchemaPrefix + service
				if _, err := conn.Exec(t.Context(), fmt.Sprintf("ALTER SCHEMA %q RENAME TO %q", schema+from, schema+to)); err != nil {
					t.Error(err)
				}
			}
		}
		rename("", "_x")
		defer rename("_x", "")
		walk(t)
	})
}
