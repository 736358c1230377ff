package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness"
)

// No command opens the shop to other machines without a token, and the error says what
// to set.
func TestRefusesOpenAddressesWithoutToken(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		env  []string
		args []string
	}{
		"up":               {[]string{"HOST=0.0.0.0"}, []string{"up"}},
		"up on IPv6":       {[]string{"HOST=::"}, []string{"up"}},
		"one service":      {[]string{"HOST=0.0.0.0"}, []string{"serve", "stats"}},
		"the gateway":      {[]string{"HOST=0.0.0.0"}, []string{"serve", app.Gateway}},
		"an empty token":   {[]string{"HOST=0.0.0.0", "INTERNAL_TOKEN="}, []string{"serve", "sales"}},
		"a blank token":    {[]string{"HOST=0.0.0.0", "INTERNAL_TOKEN= "}, []string{"up"}},
		"a dyno's gateway": {[]string{"DYNO=web.1", "AMQP_URL=amqp://127.0.0.1:1"}, []string{"serve", app.Gateway}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, c.env...)
			out, err := m.Run(c.args...)
			if err == nil || !strings.Contains(out, "INTERNAL_TOKEN") {
				t.Errorf("it ends with %v and says %s", err, out)
			}
		})
	}
}

// The banner tells the addresses that are listened on.
func TestBannerPrintsReachableAddresses(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		env      []string
		has, not string
	}{
		"loopback":     {nil, "sales      %s", "Other machines"},
		"open":         {[]string{"HOST=0.0.0.0", "INTERNAL_TOKEN=a-secret-of-all-processes"}, "on every address of this machine (0.0.0.0:", "gateway, inventory"},
		"one address":  {[]string{"HOST=127.0.0.2"}, "http://127.0.0.2:", "127.0.0.1"},
		"short secret": {[]string{"HOST=0.0.0.0", "INTERNAL_TOKEN=inner"}, "INTERNAL_TOKEN is short", "=inner"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, c.env...)
			p := m.Start(nil, "up")
			harness.Eventually(t, func(context.Context) error {
				if !strings.Contains(p.Output.String(), "Stop it with") {
					return fmt.Errorf("it says %s", p.Output)
				}
				return nil
			})
			has := c.has
			if strings.Contains(has, "%s") {
				has = fmt.Sprintf(has, m.URL("sales"))
			}
			if said := p.Output.String(); !strings.Contains(said, has) || strings.Contains(said, c.not) {
				t.Errorf("it says %s", said)
			}
		})
	}
}

// A page of another origin writes nothing to a shop on a laptop, and one that has its
// own name resolve to it reads nothing; whoever is no browser does as before.
func TestForeignPagesCannotReachALocalShop(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "CORS_ORIGINS=https://till.example")
	m.Start(nil, "up")
	m.up()
	ask := func(service, method, path, host string, header ...string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, m.URL(service)+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for _, service := range append(services.Names(), app.Gateway) {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			if got := ask(service, method, "/outbox/rebuild?force=true", "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
				t.Errorf("%s of a page to %s: %d", method, service, got)
			}
		}
		for _, path := range []string{"/", "/healthz", "/feed", "/docs"} {
			if got := ask(service, "GET", path, "evil.example"); got != http.StatusMisdirectedRequest {
				t.Errorf("%s of %s by another name: %d", path, service, got)
			}
		}
	}
	if got := ask("sales", "POST", "/outbox/rebuild?force=true", ""); got >= 300 {
		t.Errorf("a program: %d", got)
	}
	if got := ask("sales", "POST", "/outbox/rebuild?force=true", "", "Origin", "https://till.example", "Sec-Fetch-Site", "cross-site"); got >= 300 {
		t.Errorf("a page that is trusted: %d", got)
	}
}
