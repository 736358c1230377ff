package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness/binary"
)

// reads returns nil if an instance of a service reads, or stands by, as wanted.
func reads(ctx context.Context, m *binary.Machine, service string, wanted bool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := ops.New(m.URL(service), &http.Client{}).Subscriptions(ctx)
	if err != nil {
		return err
	}
	for _, r := range s.Items {
		if is := r.State == "reading"; is != wanted || r.State == "starting" {
			return fmt.Errorf("%s is %s at %s", service, r.State, r.Stream)
		}
	}
	return nil
}

// Two instances of every service. The one that reads is killed, or stopped, and the
// other takes over; and the broker is restarted under both. TAKEOVER_ROUNDS makes
// it longer, for the figures in docs/reliability.md.
func TestTakeOver(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("TAKEOVER_ROUNDS"))
	rounds = max(rounds, 1)
	s := newShop(t) // these have the leases, and are called by all
	c := newClients(t, s)
	twin := s.twin()
	second := twin.Start(nil, append([]string{"serve"}, app.Names()...)...)
	every := func(what string, m *binary.Machine, wanted bool) time.Duration {
		began := time.Now()
		for _, service := range app.Names() {
			s.eventually(service+" "+what, 30*time.Second, func(ctx context.Context) error { return reads(ctx, m, service, wanted) })
		}
		return time.Since(began)
	}
	var killed, stopped, restarted []time.Duration
	for range rounds {
		every("of the second instances stand by", twin, false)
		for _, service := range app.Names() { // the first ones give their leases back
			s.signal(service, syscall.SIGTERM)
			must(t, s.process(service).Wait())
		}
		stopped = append(stopped, every("was taken over after a clean stop", twin, true))
		for _, service := range app.Names() {
			s.start(service)
		}
		s.ready()
		every("of the first instances stand by", s.machine, false)
		began := time.Now()
		second.Kill()
		every("was taken over after kill -9", s.machine, true)
		killed = append(killed, time.Since(began))
		c.confirmed(t, s)
		must(t, s.rabbit.Stop())
		o := c.place(t)
		must(t, s.rabbit.Start())
		restarted = append(restarted, c.confirms(s, o))
		second = twin.Start(nil, append([]string{"serve"}, app.Names()...)...)
	}
	s.atRest()
	report, err := s.differences()
	must(t, err)
	if !report.Clean() {
		t.Errorf("the notes differ: %v", report.Differences)
	}
	for what, times := range map[string][]time.Duration{"kill -9": killed, "clean stop": stopped, "broker restart": restarted} {
		slices.Sort(times)
		t.Logf("all of it read on after %s: median %s, worst of %d %s", what, times[len(times)/2].Round(10*time.Millisecond), len(times), times[len(times)-1].Round(10*time.Millisecond))
		if worst := times[len(times)-1]; worst > 15*time.Second {
			t.Errorf("%s took %s", what, worst)
		}
	}
}

// place places an order of what there is plenty of.
func (c *clients) place(t *testing.T) salesclient.Order {
	t.Helper()
	o := draw()
	o.Lines = o.Lines[:1]
	o.Lines[0].Sku = sku(0)
	key := uuid.NewString()
	placed, _, err := c.sales.Place(t.Context(), key, o)
	must(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	c.accepted[key] = placed.Id
	return placed
}

// confirmed places an order and waits until it is confirmed.
func (c *clients) confirmed(t *testing.T, s *shop) {
	t.Helper()
	c.confirms(s, c.place(t))
}

// confirms returns the time until an order is confirmed, and seen everywhere.
func (c *clients) confirms(s *shop, o salesclient.Order) time.Duration {
	s.t.Helper()
	began := time.Now()
	s.eventually("an order is confirmed", time.Minute, func(ctx context.Context) error {
		now, err := c.sales.Order(ctx, o.Id)
		if err == nil && now.Status != salesclient.Confirmed {
			err = fmt.Errorf("order is %s", now.Status)
		}
		return err
	})
	return time.Since(began)
}
