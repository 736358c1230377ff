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

	"quadrille/internal/platform/ops"
	"quadrille/services"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness/binary"
	"quadrille/test/harness/customers"
)

// reads returns nil if the instance of a service on m reads, or stands by, as wanted.
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

// Two instances of every service run. The reading instance is stopped, or killed, and the
// other one takes over within 15 s. A restart of the broker interrupts both for less than
// 15 s. TAKEOVER_ROUNDS sets the number of rounds, for the figures in docs/reliability.md.
func TestSecondInstanceTakesOver(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("TAKEOVER_ROUNDS"))
	rounds = max(rounds, 1)
	s := newShop(t) // these instances hold the leases, and all others call them
	c := newCustomers(t, s)
	twin := s.twin()
	second := twin.Start(nil, append([]string{"serve"}, services.Names()...)...)
	every := func(what string, m *binary.Machine, wanted bool) time.Duration {
		began := time.Now()
		for _, service := range services.Names() {
			s.eventually(service+" "+what, 30*time.Second, func(ctx context.Context) error { return reads(ctx, m, service, wanted) })
		}
		return time.Since(began)
	}
	var killed, stopped, restarted []time.Duration
	for range rounds {
		every("of the second instances stand by", twin, false)
		for _, service := range services.Names() { // the first instances release their leases
			s.signal(service, syscall.SIGTERM)
			must(t, s.process(service).Wait())
		}
		stopped = append(stopped, every("was taken over after a clean stop", twin, true))
		for _, service := range services.Names() {
			s.start(service)
		}
		s.ready()
		every("of the first instances stand by", s.machine, false)
		began := time.Now()
		second.Kill()
		every("was taken over after kill -9", s.machine, true)
		killed = append(killed, time.Since(began))
		confirmed(t, s, c)
		must(t, s.rabbit.Stop())
		o := c.Place(t)
		must(t, s.rabbit.Start())
		restarted = append(restarted, confirms(s, c, o))
		second = twin.Start(nil, append([]string{"serve"}, services.Names()...)...)
	}
	s.awaitIdle()
	s.audit("after all take-overs")
	for what, times := range map[string][]time.Duration{"kill -9": killed, "clean stop": stopped, "broker restart": restarted} {
		slices.Sort(times)
		t.Logf("every consumer continued after %s: median %s, worst of %d %s", what, times[len(times)/2].Round(10*time.Millisecond), len(times), times[len(times)-1].Round(10*time.Millisecond))
		if worst := times[len(times)-1]; worst > 15*time.Second {
			t.Errorf("%s took %s", what, worst)
		}
	}
}

// confirmed places an order and waits until it is confirmed.
func confirmed(t *testing.T, s *shop, c *customers.Customers) {
	t.Helper()
	confirms(s, c, c.Place(t))
}

// confirms waits until an order is confirmed, and returns how long that took.
func confirms(s *shop, c *customers.Customers, o salesclient.Order) time.Duration {
	s.t.Helper()
	began := time.Now()
	s.eventually("an order is confirmed", time.Minute, func(ctx context.Context) error {
		now, err := c.Sales.Order(ctx, o.Id)
		if err == nil && now.Status != salesclient.Confirmed {
			err = fmt.Errorf("order is %s", now.Status)
		}
		return err
	})
	return time.Since(began)
}
