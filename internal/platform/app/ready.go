package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/ready"
	"quadrille/pkg/consumer"
	"quadrille/pkg/lease"
	"quadrille/pkg/outbox"
)

// connectFailAfter limits how long a service stays ready without its database, broker or
// Redis. It exceeds one slow response of a busy machine.
const connectFailAfter = 5 * time.Second

// checkReadiness creates the registry of the instance's readiness checks. Services add their
// own in Components.Checks.
func (i *instance) checkReadiness(own []ready.Check) (err error) {
	checks := []ready.Check{
		{
			Name: "database", Needed: true, FailAfter: connectFailAfter, Remedy: "check the database server; requests get 503 meanwhile",
			Probe: func(ctx context.Context) ready.Finding { return ready.Finding{Err: db.CanWrite(ctx, i.db)} },
		},
		{
			Name: "log", Needed: true, Every: time.Second, FailAfter: connectFailAfter, Remedy: "check the event log; writes continue meanwhile and events wait in the outbox",
			Probe: func(context.Context) ready.Finding { return ready.Finding{Err: i.shop.bus.State()} },
		},
		{
			Name: "links", Needed: true, FailAfter: connectFailAfter, Remedy: "check the broker and Redis, which carry the calls between services",
			Probe: func(ctx context.Context) ready.Finding { return ready.Finding{Err: i.shop.connections.state(ctx)} },
		},
		{
			Name: "lease", Every: time.Second, Remedy: "check the leases table of this service's database and the instance that holds the lease",
			Probe: func(context.Context) ready.Finding { return leaseFinding(i.lease.Status()) },
		},
	}
	if i.relay != nil {
		checks = append(checks, i.relayCheck(), i.historyCheck(), i.refusedCheck())
	}
	checks = append(checks, i.tasksCheck())
	for _, r := range i.consumers {
		checks = append(checks, i.consumerCheck(r))
	}
	i.readiness, err = ready.New(ready.Config{FailAfter: i.shop.cfg.StuckAfter, Log: i.log}, append(checks, own...)...)
	return err
}

func leaseFinding(s lease.Status) ready.Finding {
	switch {
	case s.Held:
		return ready.Finding{Detail: "this instance holds the lease"}
	case s.Err != "":
		return ready.Finding{Err: fmt.Errorf("no instance consumes: %s", s.Err), Since: s.Since}
	case s.Holder == "":
		return ready.Finding{Err: errors.New("no instance consumes: the lease was not read yet")}
	default:
		return ready.Finding{Detail: "standby; leader " + s.Holder}
	}
}

// outboxEvery is the interval at which the relay check reads the outbox. The relay's own
// errors need no query.
const outboxEvery = 5 * time.Second

// relayCheck fails if the relay fails, or if the oldest unsent event stays unsent although
// this relay has no error: the relay of another instance may hold the lock and hang.
func (i *instance) relayCheck() ready.Check {
	var oldest int64
	var since, looked time.Time
	return ready.Check{
		Name: "relay", Remedy: "fix the cause; the events wait in the outbox and are sent then",
		Probe: func(ctx context.Context) ready.Finding {
			if s := i.relay.Status(); s.Err != "" {
				return ready.Finding{Err: fmt.Errorf("events of %s are not sent: %s", i.service.Name, s.Err), Since: s.Since}
			}
			if time.Since(looked) >= outboxEvery {
				id, err := i.relay.Oldest(ctx)
				if err != nil {
					return ready.Finding{Err: err}
				}
				if looked = time.Now(); id != oldest {
					oldest, since = id, looked
				}
			}
			if oldest == 0 {
				return ready.Finding{}
			}
			return ready.Finding{
				Err: fmt.Errorf("event %d of the outbox is the oldest unsent one, and nothing is sent", oldest), Since: since,
				FailAfter: i.readiness.FailAfter() + outboxEvery,
			}
		},
	}
}

// refusedCheck warns of events that the log refuses because of their content. They wait for an
// operator, like dead letters, and hold up no other event. The check is advisory, because one
// event must not make a service unready.
func (i *instance) refusedCheck() ready.Check {
	return ready.Check{
		Name: "refused", Advisory: true, Every: 2 * outboxEvery,
		Remedy: "show them with quadrille refused list " + i.service.Name,
		Probe: func(ctx context.Context) ready.Finding {
			n, err := outbox.CountRefused(ctx, i.db, outbox.RefusedOpen)
			if err == nil && n > 0 {
				err = fmt.Errorf("the log refuses %d events", n)
			}
			return ready.Finding{Err: err}
		},
	}
}

// historyCheck fails if the history is lost, or exists on the broker in another form.
func (i *instance) historyCheck() ready.Check {
	return ready.Check{
		Name: "history", Every: time.Second, FailAfter: time.Second,
		Remedy: "events stay in the outbox; the relay publishes a lost history again, anything else must be fixed on the broker",
		Probe:  func(context.Context) ready.Finding { return ready.Finding{Err: i.relay.History()} },
	}
}

// consumerCheck fails if the consumer fails, hangs or has no history to read. On every
// instance, it also fails if the position does not move although events wait.
func (i *instance) consumerCheck(r *consumer.Consumer) ready.Check {
	still := stillness{consumer: r}
	return ready.Check{
		Name:   "reader " + r.Stream(),
		Remedy: fmt.Sprintf("check that %s runs and can be reached; no event is skipped meanwhile", r.Stream()),
		Probe: func(ctx context.Context) ready.Finding {
			h := r.Health()
			held := i.lease.Held()
			switch {
			case held && h.Err != "":
				return ready.Finding{Err: errors.New(h.Err), Since: h.Since} //nolint:err113 // the consumer's message
			case held && h.Read > 0:
				return ready.Finding{
					Err:   fmt.Errorf("none of the %d events in progress is done", h.Read),
					Since: h.BusySince, FailAfter: i.readiness.FailAfter() + r.Timeout(),
				}
			}
			if f := still.look(ctx); f.Err != nil {
				f.FailAfter = i.readiness.FailAfter() + r.Timeout()
				return f
			}
			if !held {
				return ready.Finding{Detail: consumer.StateStandby}
			}
			return ready.Finding{Detail: r.State()}
		},
	}
}

// stillness detects a position that does not move. Every instance can read it.
type stillness struct {
	consumer *consumer.Consumer
	mark     consumer.Sample
	since    time.Time // first reading of mark
	looked   time.Time // last reading
}

// markEvery is the interval at which the consumer check reads positions from the database and
// ends of streams from the log.
const markEvery = 10 * time.Second

// look returns an error if the position has not moved since an earlier reading although events
// were waiting then. It ignores errors of reading, which other checks report.
func (s *stillness) look(ctx context.Context) ready.Finding {
	if time.Since(s.looked) >= markEvery {
		s.looked = time.Now()
		mark, err := s.consumer.Sample(ctx)
		if err != nil {
			return ready.Finding{}
		}
		if mark.At != s.mark.At || !mark.Moved.Equal(s.mark.Moved) || s.mark.Lag == 0 {
			s.since = s.looked
		}
		s.mark = mark
	}
	if s.mark.Lag == 0 {
		return ready.Finding{}
	}
	return ready.Finding{
		Err:   fmt.Errorf("%d offsets behind, and the position does not move", s.mark.Lag),
		Since: s.since, Remedy: "restart the instance that holds the lease",
	}
}
