package chaos_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"quadrille/internal/platform/app"
)

// mishap is one thing that goes wrong; do returns when the cause is mended.
type mishap struct {
	name string
	do   func(s *shop)
}

// lengths is how long what takes its time takes.
type lengths struct {
	stopped time.Duration // a service, in mid-movement
}

// everyRun picks the kinds that each run of the tests has, one of each family.
func everyRun(m mishap) bool {
	return slices.Contains([]string{
		"kill -9 sales", "kill -9 two at random",
		"crash sales between commit and publish", "crash inventory between publish and mark", "crash inventory between apply and commit",
		"kill -9 RabbitMQ", "kill -9 PostgreSQL", "disk alarm of RabbitMQ", "cut RabbitMQ off",
		"reset in the middle of a confirm", "half-open to PostgreSQL", "SIGSTOP inventory, another takes over, SIGCONT",
	}, m.name)
}

// faults returns one fault of every kind.
func faults(l lengths) []mishap {
	var all []mishap
	add := func(name string, do func(*shop)) { all = append(all, mishap{name, do}) }
	for _, service := range app.Names() {
		add("kill -9 "+service, func(s *shop) { s.kill(service) })
	}
	add("kill -9 two at random", func(s *shop) {
		for _, i := range rand.Perm(len(app.Names()))[:2] {
			s.kill(app.Names()[i])
		}
	})
	for _, service := range []string{"sales", "inventory"} {
		add("crash "+service+" between commit and publish", crash(service, "claimed"))
		add("crash "+service+" between publish and mark", crash(service, "published"))
	}
	for _, service := range app.Names() {
		if service != "stats" {
			add("crash "+service+" between apply and commit", crash(service, "applied"))
		}
	}
	add("crash stats between apply and commit", crash("stats", "applied"))
	add("restart RabbitMQ", func(s *shop) { s.check(s.rabbit.Stop(), s.rabbit.Start()) })
	add("kill -9 RabbitMQ", func(s *shop) { s.check(s.rabbit.Kill(), s.rabbit.Start()) })
	add("disk alarm of RabbitMQ", func(s *shop) { s.check(s.rabbit.DiskAlarm(true), s.rabbit.DiskAlarm(false)) })
	add("restart PostgreSQL", func(s *shop) { s.check(s.postgres.Stop(), s.postgres.Start()) })
	add("kill -9 PostgreSQL", func(s *shop) { s.check(s.postgres.Kill(), s.postgres.Start()) })
	return append(all, networkFaults(l)...)
}

func networkFaults(l lengths) []mishap {
	second := func() { time.Sleep(time.Second) } // for as long as the fault lasts
	return []mishap{
		{"cut RabbitMQ off", func(s *shop) { s.mqNet.Cut(); second(); s.mqNet.Mend() }},
		{"cut PostgreSQL off", func(s *shop) { s.pgNet.Cut(); second(); s.pgNet.Mend() }},
		{"slow RabbitMQ, 100 ms a piece", func(s *shop) { s.mqNet.Delay(100 * time.Millisecond); second(); s.mqNet.Mend() }},
		{"slow PostgreSQL, 20 ms a piece", func(s *shop) { s.pgNet.Delay(20 * time.Millisecond); second(); s.pgNet.Mend() }},
		{"half-open to RabbitMQ", func(s *shop) { s.mqNet.Hang(); second() }},
		{"half-open to PostgreSQL", func(s *shop) { s.pgNet.Hang(); second() }},
		{"reset in the middle of a confirm", func(s *shop) { s.mqNet.ResetAfter(rand.Int64N(300)); second() }},
		{"reset in the middle of a result", func(s *shop) { s.pgNet.ResetAfter(rand.Int64N(2000)); second() }},
		{"SIGSTOP sales, another takes over, SIGCONT", stop("sales", l.stopped)},
		{"SIGSTOP inventory, another takes over, SIGCONT", stop("inventory", l.stopped)},
	}
}

// crash starts a service that ends at a point between two steps that belong
// together, and then one that does not.
func crash(service, point string) func(*shop) {
	return func(s *shop) {
		s.process(service).Kill()
		p := s.start(service, "QUADRILLE_CRASH_AT="+point+":"+string(rune('1'+rand.IntN(3))))
		if err := p.Wait(); err == nil || p.ProcessState.ExitCode() != 137 {
			s.t.Errorf("%s was to crash at %s and ended with %v", service, point, err)
		}
		s.start(service)
	}
}

// stop stops a service in whatever it does, while another instance stands by.
func stop(service string, pause time.Duration) func(*shop) {
	return func(s *shop) {
		twin := s.twin(app.Names()...)
		standby := twin.Start(nil, "serve", service)
		defer standby.Kill()
		s.eventually("the second instance stands by", 30*time.Second, func(ctx context.Context) error { return reads(ctx, twin, service, false) })
		s.signal(service, syscall.SIGSTOP)
		s.eventually("the second instance takes over", 15*time.Second, func(ctx context.Context) error { return reads(ctx, twin, service, true) })
		time.Sleep(pause)
		s.signal(service, syscall.SIGCONT)
		time.Sleep(time.Second) // both at work
	}
}

func (s *shop) check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			s.t.Fatalf("the fault itself failed: %v", err)
		}
	}
}
