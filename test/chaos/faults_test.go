package chaos_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"quadrille/services"
)

// kind is one kind of fault. do causes it and returns when the cause is repaired.
type kind struct {
	name string
	do   func(s *shop)
}

// durations of faults.
type durations struct {
	stopped time.Duration // of a service that gets SIGSTOP
}

// The kinds of faults of a run without CHAOS_FAULTS.
var (
	// shortRun has one crash, one kill of a service, of the broker and of the database.
	shortRun = []string{"kill -9 two at random", "crash inventory between apply and commit", "kill -9 RabbitMQ", "kill -9 PostgreSQL"}
	// longRun has one of each family.
	longRun = []string{
		"kill -9 sales", "kill -9 two at random",
		"crash sales between commit and publish", "crash inventory between publish and mark", "crash inventory between apply and commit",
		"kill -9 RabbitMQ", "kill -9 PostgreSQL", "disk alarm of RabbitMQ", "cut RabbitMQ off",
		"reset in the middle of a confirm", "half-open to PostgreSQL", "SIGSTOP inventory, another takes over, SIGCONT",
		"kill -9 sales during its tasks", "SIGSTOP sales during its tasks, SIGCONT", "poison in every stream, kill -9 inventory",
	}
)

// faults returns one fault of every kind.
func faults(l durations) []kind {
	var all []kind
	add := func(name string, do func(*shop)) { all = append(all, kind{name, do}) }
	for _, service := range services.Names() {
		add("kill -9 "+service, func(s *shop) { s.kill(service) })
	}
	add("kill -9 two at random", func(s *shop) {
		for _, i := range rand.Perm(len(services.Names()))[:2] {
			s.kill(services.Names()[i])
		}
	})
	for _, service := range []string{"sales", "inventory"} {
		add("crash "+service+" between commit and publish", crash(service, "claimed"))
		add("crash "+service+" between publish and mark", crash(service, "published"))
	}
	for _, service := range services.Names() {
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
	return slices.Concat(all, networkFaults(l), workFaults(l))
}

func networkFaults(l durations) []kind {
	second := func() { time.Sleep(time.Second) } // how long the fault lasts
	return []kind{
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

// crash restarts a service so that it ends between two steps that belong together, and
// then restarts it normally.
func crash(service, point string) func(*shop) {
	return func(s *shop) {
		s.process(service).Kill()
		p := s.start(service, "QUADRILLE_CRASH_AT="+point+":"+string(rune('1'+rand.IntN(3))))
		if err := p.Wait(); err == nil || p.ProcessState.ExitCode() != 137 {
			s.t.Errorf("%s should crash at %s, ended with %v", service, point, err)
		}
		s.start(service)
	}
}

// stop suspends a service with SIGSTOP while another instance stands by, and resumes it.
func stop(service string, pause time.Duration) func(*shop) {
	return func(s *shop) {
		twin := s.twin(services.Names()...)
		standby := twin.Start(nil, "serve", service)
		defer standby.Kill()
		s.eventually("the second instance stands by", 30*time.Second, func(ctx context.Context) error { return reads(ctx, twin, service, false) })
		s.signal(service, syscall.SIGSTOP)
		s.eventually("the second instance takes over", 15*time.Second, func(ctx context.Context) error { return reads(ctx, twin, service, true) })
		time.Sleep(pause)
		s.signal(service, syscall.SIGCONT)
		time.Sleep(time.Second) // both instances run
	}
}

func (s *shop) check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			s.t.Fatalf("the fault itself failed: %v", err)
		}
	}
}
