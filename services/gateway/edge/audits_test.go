package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"quadrille/internal/shop/audit"

	"quadrille/services"
)

// shop is a fake shop for audits: it contains only what a test plants.
type shop struct {
	mu    sync.Mutex
	lists map[string]string // answers, by service and path; an empty list where there is none
	gate  chan struct{}     // services do not respond before it is closed
}

func (s *shop) services() map[string]http.Handler {
	all := map[string]http.Handler{}
	for _, name := range services.Names() {
		all[name] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-s.gate:
			case <-r.Context().Done():
				return
			}
			s.mu.Lock()
			said := s.lists[name+r.URL.Path]
			s.mu.Unlock()
			if said == "" {
				said = `{"items":[],"outbox":{"unsent":0},"dead_letters":0}`
			}
			w.Header().Set("Content-Type", "application/json")
			if said == "broken" {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, said)
		})
	}
	return all
}

func (s *shop) plant(at, said string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists[at] = said
}

// audited returns a gateway with a shop and an audit runner that runs until stop.
func audited(t *testing.T) (d *testGateway, s *shop, stop func()) {
	t.Helper()
	s = &shop{lists: map[string]string{}, gate: make(chan struct{})}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	d = opened(t, overHTTP, Config{}, s.services(), func(c *Config) {
		c.Audits.Shop = audit.Config{URL: c.Upstreams.cfg.URL, Services: services.Names(), Optional: services.ConsumersOnly(), HTTP: c.Upstreams.cfg.HTTP}
		running.Go(func() { _ = c.Audits.Run(ctx) })
	})
	stop = func() { end(); running.Wait() }
	t.Cleanup(stop)
	return d, s, stop
}

// begun starts an audit, as soon as the runner runs, and returns the response.
func (d *testGateway) begun() (a answer) {
	d.t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		if a = d.ask("POST", prefix+"/ops/audit", "", as("staff")...); a.status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// audit waits for the end of an audit and returns it.
func (d *testGateway) audit(at string) (a answer, v auditView) {
	d.t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		a = d.ask("GET", at, "", as("staff")...)
		if v = read[auditView](d.t, a, http.StatusOK); v.Status != auditRunning {
			return a, v
		}
	}
	d.t.Fatalf("the audit is still %+v", v)
	return a, v
}

func TestRunsAudit(t *testing.T) {
	d, s, _ := audited(t)
	a := d.begun()
	begun := read[auditView](t, a, http.StatusAccepted)
	at := a.header.Get("Location")
	if at != prefix+"/ops/audits/"+begun.ID || begun.Status != auditRunning || begun.FinishedAt != nil || begun.Clean != nil || begun.StartedAt.IsZero() {
		t.Errorf("begun is %+v at %s", begun, at)
	}
	if now := read[auditView](t, d.ask("GET", at, "", as("staff")...), http.StatusOK); now.Status != auditRunning || now.Clean != nil {
		t.Errorf("it is %+v", now)
	}
	d.ask("POST", prefix+"/ops/audit", "", as("staff")...).refused(t, "another one", http.StatusConflict, "audit_running")
	close(s.gate)
	if a, v := d.audit(at); v.Status != auditDone || v.Clean == nil || !*v.Clean || v.FinishedAt == nil || !reported(t, v).Clean() || v.Error != "" {
		t.Errorf("the audit ends as %s", a.body)
	}
	s.plant("inventory/skus", `{"items":[{"code":"A","on_hand":2,"received":2,"available":2,"version":1}]}`)
	if a, v := d.audit(d.begun().header.Get("Location")); v.Status != auditDone || v.Clean == nil || *v.Clean || reported(t, v).SKUs != 1 || reported(t, v).OnHand != 2 ||
		len(reported(t, v).Differences) != 2 || !strings.Contains(reported(t, v).Differences[0], "SKU A: catalog has no copy") {
		t.Errorf("with a difference the audit ends as %s", a.body)
	}
	s.plant("sales/orders", "broken")
	if a, v := d.audit(d.begun().header.Get("Location")); v.Status != auditFailed || v.Clean != nil || v.Report != nil || !strings.Contains(v.Error, "sales' orders") {
		t.Errorf("with a failing service the audit ends as %s", a.body)
	}
}

func TestRefusesUnknownAudits(t *testing.T) {
	d, _, _ := audited(t)
	d.ask("GET", prefix+"/ops/audits/nosuch", "", as("staff")...).refused(t, "an unknown one", http.StatusNotFound, "audit_unknown")
	d.ask("POST", prefix+"/ops/audit", "", as("warehouse")...).refused(t, "the warehouse", http.StatusForbidden, "role_required")
	d.ask("GET", prefix+"/ops/audits/nosuch", "", as("ann")...).refused(t, "a customer", http.StatusForbidden, "role_required")
}

// A gateway that shuts down cancels its audit, records it as failed and accepts no more.
func TestCancelsAuditAtShutdown(t *testing.T) {
	d, _, stop := audited(t)
	at := d.begun().header.Get("Location")
	stop()
	a, v := d.audit(at)
	if v.Status != auditFailed || v.FinishedAt == nil || v.Error == "" {
		t.Errorf("the audit ends as %s", a.body)
	}
	d.ask("POST", prefix+"/ops/audit", "", as("staff")...).refused(t, "one that stops", http.StatusServiceUnavailable, "draining")
}

func TestReportsAuditOfDeadProcessAsFailed(t *testing.T) {
	const gone, elsewhere = "0198c2f0-5d1e-7c3a-9f0e-000000000001", "0198c2f0-5d1e-7c3a-9f0e-000000000002"
	d := opened(t, overHTTP, Config{}, nil, func(c *Config) {
		for id, began := range map[string]time.Time{gone: time.Now().Add(-time.Hour), elsewhere: time.Now().Add(-time.Minute)} {
			if err := c.Audits.DB.Create(&Audit{ID: id, Status: auditRunning, StartedAt: began.UTC()}).Error; err != nil {
				t.Fatal(err)
			}
		}
	})
	for id, want := range map[string]string{gone: auditFailed, elsewhere: auditRunning} {
		if v := read[auditView](t, d.ask("GET", prefix+"/ops/audits/"+id, "", as("staff")...), http.StatusOK); v.Status != want || (v.Error == "") != (want == auditRunning) {
			t.Errorf("%s is %+v", id, v)
		}
	}
}

// reported decodes the report of an audit.
func reported(t *testing.T, v auditView) (r audit.Report) {
	t.Helper()
	if err := json.Unmarshal(v.Report, &r); err != nil {
		t.Fatalf("the report is %s: %v", v.Report, err)
	}
	return r
}
