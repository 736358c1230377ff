package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/services/gateway/activity"
)

// fakeOps returns the operations endpoints of a service.
func fakeOps(ready int, subscriptions string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/readyz":
			w.WriteHeader(ready)
			fmt.Fprint(w, `{"status":"…","checks":[{"name":"database","ok":true},{"name":"log","ok":false,"detail":"is away"}]}`)
		case "/subscriptions":
			if subscriptions == "" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, subscriptions)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

type states struct{ Items []serviceState }

// How every service is, in one answer, whatever is wrong with any of them.
func TestReportsStateOfAllServices(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		hangs := make(chan struct{})
		subscriptions := `{"items":[{"subscriber":"sales","stream":"catalog","position":7,"end":9,"lag":2,"state":"reading"}],"outbox":{"unsent":3},"dead_letters":1,"parked":4,"behind":5}`
		d := opened(t, w, Config{}, map[string]http.Handler{
			"inventory": fakeOps(http.StatusOK, subscriptions),
			"catalog":   fakeOps(http.StatusServiceUnavailable, subscriptions),
			"wishlist":  fakeOps(http.StatusOK, ""),
			"sales": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-hangs:
				case <-r.Context().Done():
				}
			}),
			app.Gateway: fakeOps(http.StatusOK, `{"items":[],"outbox":{"unsent":0},"dead_letters":0}`),
		})
		defer close(hangs)
		began := time.Now()
		all := read[states](t, d.ask("GET", prefix+"/ops/services", "", as("staff")...), http.StatusOK)
		if took := time.Since(began); took > stateTimeout+time.Second {
			t.Errorf("it took %s", took)
		}
		got := map[string]string{}
		for _, s := range all.Items {
			got[s.Name] = fmt.Sprintf("%s %s, %d readers, %d unsent, %d dead, %d parked, %d behind", s.Status, s.Detail, len(s.Readers), s.Outbox.Unsent, s.DeadLetters, s.Parked, s.Behind)
			if s.Readers == nil {
				t.Errorf("the readers of %s are null", s.Name)
			}
		}
		want := map[string]string{
			app.Gateway: "ready , 0 readers, 0 unsent, 0 dead, 0 parked, 0 behind",
			"inventory": "ready , 1 readers, 3 unsent, 1 dead, 4 parked, 5 behind",
			"catalog":   "not_ready log: is away, 1 readers, 3 unsent, 1 dead, 4 parked, 5 behind",
			"wishlist":  "not_ready does not report its subscriptions, 0 readers",
			"sales":     "away does not respond, 0 readers, 0 unsent, 0 dead, 0 parked, 0 behind",
			"stats":     "away does not respond, 0 readers, 0 unsent, 0 dead, 0 parked, 0 behind",
		}
		for _, name := range services.Names() {
			if want[name] == "" { // a service that this test does not play
				want[name] = "away does not respond, 0 readers, 0 unsent, 0 dead"
			}
		}
		for name, state := range want {
			if !strings.HasPrefix(got[name], state) {
				t.Errorf("%s is %q, want %q", name, got[name], state)
			}
		}
		if len(all.Items) != len(want) {
			t.Errorf("the answer has %d services, want %d: %s", len(all.Items), len(want), strings.Join(slices.Sorted(maps.Keys(got)), ", "))
		}
	})
}

// A service that hangs is left out of the lags; the others and the gateway are included.
func TestSamplesLagsWhileOneServiceHangs(t *testing.T) {
	t.Parallel()
	hangs := make(chan struct{})
	defer close(hangs)
	behind := func(name string) http.Handler {
		return fakeOps(http.StatusOK, fmt.Sprintf(`{"items":[{"subscriber":%q,"stream":"catalog","lag":2}],"outbox":{"unsent":0}}`, name))
	}
	d := opened(t, overHTTP, Config{}, map[string]http.Handler{
		"inventory": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hangs:
			case <-r.Context().Done():
			}
		}),
		"sales": behind("sales"), "stats": behind("stats"), app.Gateway: behind("gateway"),
	})
	sample := d.upstreams.Lags
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	want := []activity.Lag{
		{Subscriber: "gateway", Stream: "catalog", Lag: 2}, {Subscriber: "sales", Stream: "catalog", Lag: 2}, {Subscriber: "stats", Stream: "catalog", Lag: 2},
	}
	if got := sample(ctx); !slices.Equal(got, want) {
		t.Errorf("sampled %v, want %v", got, want)
	}
}

// The problem names all roles that suffice.
func TestProblemNamesRequiredRoles(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{}, nil)
	for path, want := range map[string]string{"/ops/keys": "this request requires the role staff", "/orders": "this request requires the role customer or staff"} {
		a := d.ask("POST", prefix+path, "{}", as("warehouse")...)
		if a.refused(t, path, http.StatusForbidden, "role_required"); !strings.Contains(a.body, `"detail":"`+want+`"`) {
			t.Errorf("%s gives %s, want %s", path, a.body, want)
		}
	}
}

func TestServiceStatesRequireStaff(t *testing.T) {
	d := opened(t, overHTTP, Config{}, nil)
	for _, who := range []string{"ann", "warehouse"} {
		d.ask("GET", prefix+"/ops/services", "", as(who)...).refused(t, who, http.StatusForbidden, "role_required")
	}
	d.ask("GET", prefix+"/ops/services", "", "Authorization", "").refused(t, "nobody", http.StatusUnauthorized, "token_required")
}

// The gateway's own operations endpoints are public like those of the services, with or
// without INTERNAL_TOKEN.
func TestServesOwnOperationsEndpoints(t *testing.T) {
	for _, inner := range []string{"", internal} {
		seen := &requestLog{}
		own := seen.serve(app.Gateway, func(w http.ResponseWriter, r *http.Request) {
			if inner != "" && r.Header.Get("Authorization") != "Bearer "+inner {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Link", `</dead-letters?after=x>; rel="next"`)
			fmt.Fprint(w, "{}")
		})
		d := opened(t, overHTTP, Config{InternalToken: inner}, map[string]http.Handler{app.Gateway: own})
		for _, ask := range [][2]string{{"GET", "/subscriptions"}, {"GET", "/dead-letters?limit=2"}, {"POST", "/dead-letters/7/retry"}, {"POST", "/subscriptions/sales/replay"}, {"GET", "/tasks"}, {"POST", "/tasks/prune_audits/run"}} {
			a := d.ask(ask[0], prefix+"/ops/services/gateway"+ask[1], "", append(as("staff"), "Origin", "https://shop.example", "Sec-Fetch-Site", "same-origin")...)
			asked := seen.take()
			if a.status != http.StatusOK || len(asked) != 1 || asked[0].method != ask[0] || asked[0].uri != ask[1] {
				t.Errorf("%v: %d %s, requests %v", ask, a.status, a.body, asked)
			}
			if want := `</api/v1/ops/services/gateway/dead-letters?after=x>; rel="next"`; a.header.Get("Link") != want && ask[1] == "/dead-letters?limit=2" {
				t.Errorf("it leads to %s", a.header.Get("Link"))
			}
		}
		if a := d.ask("GET", prefix+"/ops/services/gateway/subscriptions", "", as("warehouse")...); a.status != http.StatusForbidden {
			t.Errorf("warehouse: %d", a.status)
		}
	}
}

// The lag sampler may run before the server has its handler.
func TestUpstreamsFailBeforeServerStarts(t *testing.T) {
	t.Parallel()
	_, url := overHTTP(t, nil)
	u := NewUpstreams(UpstreamsConfig{HTTP: &http.Client{}, URL: url})
	if _, err := u.ops(app.Gateway).Subscriptions(t.Context()); !errors.Is(err, errStarting) {
		t.Errorf("the gateway's subscriptions give %v, want %v", err, errStarting)
	}
	if lags := u.Lags(t.Context()); len(lags) != 0 {
		t.Errorf("lags are %v, want none", lags)
	}
}
