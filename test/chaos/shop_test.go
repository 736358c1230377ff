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

	"quadrille/internal/platform/app"
	"quadrille/internal/shop/audit"
	"quadrille/test/harness/binary"
	"quadrille/test/harness/nodes"
)

// shop is a shop of separate processes, on a PostgreSQL and a RabbitMQ of its own,
// each reached through a proxy.
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

// open starts everything but RabbitMQ, which is at one of the URLs.
func (s *shop) open(brokers string) {
	s.t.Helper()
	s.services = map[string]*binary.Process{}
	s.postgres = nodes.Postgres(s.t)
	s.pgNet = nodes.NewProxy(s.t, s.postgres.Address())
	s.machine = binary.New(s.t, "DATABASE_URL="+through(s.t, s.postgres.URL(), s.pgNet), "AMQP_URL="+brokers,
		"DATABASE_POOL=8", "LOG_LEVEL=warn", "LOG_FORMAT=text")
	for _, name := range app.Names() {
		s.start(name)
	}
	s.ready()
}

// through returns a server's URL with the proxy's address.
func through(t *testing.T, server string, p *nodes.Proxy) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Address()
	return u.String()
}

// start starts a service, for the first time or again.
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

// kill kills a service and starts it again.
func (s *shop) kill(name string) {
	s.process(name).Kill()
	s.start(name)
}

// twin returns a machine for second instances, on ports of its own. They call the first
// instances of the services named, and the second ones of the others.
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

// ready waits until every service is.
func (s *shop) ready() {
	s.t.Helper()
	for _, name := range app.Names() {
		s.eventually(name+" is ready", 90*time.Second, func(ctx context.Context) error { return s.machine.Ready(ctx, name) })
	}
}

// eventually waits for something to be so. Services that write what went wrong are
// heard when it is not.
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
		if err == nil || ctx.Err() == nil { // not that time was up
			err = now
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("not so within %s: %s: %v\n%s", within, what, err, s.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// said returns the end of each service's output.
func (s *shop) said() string {
	var b strings.Builder
	for _, name := range app.Names() {
		text := s.process(name).Output.String()
		fmt.Fprintf(&b, "--- %s\n%s\n", name, text[max(0, len(text)-1500):])
	}
	return b.String()
}

// atRest waits until nothing is on its way any more.
func (s *shop) atRest() {
	s.t.Helper()
	s.eventually("the dance comes to rest", 3*time.Minute, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return audit.Rest(ctx, s.audited())
	})
}

func (s *shop) audited() audit.Config { return audit.Config{URL: s.machine.URL, Services: app.Names()} }

// differences returns what the audit finds at rest.
func (s *shop) differences() (audit.Report, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	return audit.Take(ctx, s.audited())
}
