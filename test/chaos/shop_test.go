package chaos_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"quadrille/internal/shop/audit"
	"quadrille/services"
	"quadrille/test/harness/binary"
	"quadrille/test/harness/nodes"
)

// shop is a shop of separate processes on a PostgreSQL and a RabbitMQ server of its own,
// both behind proxies.
type shop struct {
	t        *testing.T
	machine  *binary.Machine
	postgres *nodes.PostgresNode
	rabbit   *nodes.RabbitNode
	pgNet    *nodes.Proxy
	mqNet    *nodes.Proxy

	mu       sync.Mutex
	services map[string]*binary.Process
}

// newShop starts a shop on one RabbitMQ node.
func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, rabbit: nodes.RabbitMQ(t)}
	s.mqNet = nodes.NewProxy(t, s.rabbit.Address())
	s.open(through(t, s.rabbit.URL(), s.mqNet))
	must(t, s.rabbit.Settle())
	return s
}

// open starts PostgreSQL and the services, on the RabbitMQ nodes at the URLs.
func (s *shop) open(brokers string) {
	s.t.Helper()
	s.services = map[string]*binary.Process{}
	s.postgres = nodes.Postgres(s.t)
	s.pgNet = nodes.NewProxy(s.t, s.postgres.Address())
	s.machine = binary.New(s.t, "DATABASE_URL="+through(s.t, s.postgres.URL(), s.pgNet), "AMQP_URL="+brokers,
		"DATABASE_POOL=8", "LOG_LEVEL=warn", "LOG_FORMAT=text")
	for _, name := range services.Names() {
		s.start(name)
	}
	s.readyWithin(5 * time.Minute)
}

// through returns the URL of a server with the address of its proxy.
func through(t *testing.T, server string, p *nodes.Proxy) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Address()
	return u.String()
}

// start starts a service.
func (s *shop) start(name string, env ...string) *binary.Process {
	p := s.machine.Start(env, "serve", name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services[name] = p
	return p
}

func (s *shop) process(name string) *binary.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[name]
}

// kill restarts a service with kill -9.
func (s *shop) kill(name string) {
	s.process(name).Kill()
	s.start(name)
}

// twin returns a machine for second instances, on other ports. They call the first
// instances of the named services, and the second instances of the others.
func (s *shop) twin(calls ...string) *binary.Machine {
	second := binary.New(s.t, s.machine.Env[3:]...) // without path, data folder and port
	for _, service := range calls {
		second.Env = append(second.Env, strings.ToUpper(service)+"_URL="+s.machine.URL(service))
	}
	return second
}

func (s *shop) signal(name string, sig syscall.Signal) {
	if err := s.process(name).Process.Signal(sig); err != nil {
		s.t.Errorf("signal %s: %v", name, err)
	}
}

// ready waits until every service is ready after a fault.
func (s *shop) ready() {
	s.t.Helper()
	s.readyWithin(90 * time.Second)
}

func (s *shop) readyWithin(limit time.Duration) {
	s.t.Helper()
	for _, name := range services.Names() {
		s.eventually(name+" is ready", limit, func(ctx context.Context) error { return s.machine.Ready(ctx, name) })
	}
}

// eventually waits until check returns nil. If it does not within the time given, the
// test fails with the end of each service's log.
func (s *shop) eventually(what string, within time.Duration, check func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	var err error
	for {
		now := check(ctx)
		if now == nil {
			return
		}
		if err == nil || ctx.Err() == nil { // keep the error from before the deadline
			err = now
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s: still not after %s: %v\n%s", what, within, err, s.logs())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// logs returns the end of each service's output.
func (s *shop) logs() string {
	var b strings.Builder
	for _, name := range services.Names() {
		text := s.process(name).Output.String()
		fmt.Fprintf(&b, "--- %s\n%s\n", name, text[max(0, len(text)-1500):])
	}
	return b.String()
}

// awaitIdle waits until no event is unpublished or unread.
func (s *shop) awaitIdle() {
	s.t.Helper()
	s.eventually("the shop is idle", 3*time.Minute, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return audit.Rest(ctx, s.audited())
	})
}

func (s *shop) audited() audit.Config {
	return audit.Config{URL: s.machine.URL, Services: services.Names(), Optional: services.ConsumersOnly()}
}

// audit compares what the services know, and fails the test if they differ.
func (s *shop) audit(when string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	report, err := audit.Take(ctx, s.audited())
	must(s.t, err)
	if !report.Clean() {
		s.t.Errorf("services differ %s:\n%s\n%s", when, strings.Join(report.Differences[:min(20, len(report.Differences))], "\n"), s.logs())
	}
}
