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

// connectPatience bounds how long a service stays ready without its database, broker or
// Redis. It is longer than one slow answer of a busy machine.
const connectPatience = 5 * time.Second

// checkReadiness makes the registry of everything that the instance needs to get its work
// done. Services add checks of their own by Components.Checks.
func (i *instance) checkReadiness(own []ready.Check) (err error) {
	checks := []ready.Check{
		{
			Name: "database", Needed: true, Patience: connectPatience, Remedy: "look at the database server; requests get 503 meanwhile",
			Probe: func(ctx context.Context) ready.Finding { return ready.Finding{Err: db.CanWrite(ctx, i.db)} },
		},
		{
			Name: "log", Needed: true, Every: time.Second, Patience: connectPatience, Remedy: "look at the event log; writes continue meanwhile and wait in the outbox",
			Probe: func(context.Context) ready.Finding { return ready.Finding{Err: i.shop.bus.State()} },
		},
		{
			Name: "links", Needed: true, Patience: connectPatience, Remedy: "look at the broker and Redis that services call each other by",
			Probe: func(ctx context.Context) ready.Finding { return ready.Finding{Err: i.shop.connections.state(ctx)} },
		},
		{
			Name: "lease", Every: time.Second, Remedy: "look at the leases table of this service's database and at the instance that holds the lease",
			Probe: func(context.Context) ready.Finding { return leaseFinding(i.lease.Status()) },
		},
	}
	if i.relay != nil {
		checks = append(checks, i.relayCheck(), i.historyCheck(), i.refusedCheck())
	}
	for _, r := range i.consumers {
		checks = append(checks, i.consumerCheck(r))
	}
	i.readiness, err = ready.New(ready.Config{Patience: i.shop.cfg.StuckAfter, Log: i.log}, append(checks, own...)...)
	return err
}

func leaseFinding(s lease.Status) ready.Finding {
	switch {
	case s.Held:
		return ready.Finding{Detail: "this instance reads"}
	case s.Err != "":
		return ready.Finding{Err: fmt.Errorf("nobody reads: %s", s.Err), Since: s.Since}
	case s.Holder == "":
		return ready.Finding{Err: errors.New("nobody reads: the lease was not looked at yet")}
	default:
		return ready.Finding{Detail: "standby; leader " + s.Holder}
	}
}

// outboxEvery is the interval at which the relay check reads the outbox. The relay's own
// errors need no query.
const outboxEvery = 5 * time.Second

// relayCheck finds a relay that fails, and an outbox of which nothing is sent although
// no relay fails here: another instance's may hold the lock and hang.
func (i *instance) relayCheck() ready.Check {
	var oldest int64
	var since, looked time.Time
	return ready.Check{
		Name: "relay", Remedy: "the events wait in the outbox and are sent once the cause is mended",
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
				Err: fmt.Errorf("event %d of the outbox is the oldest one unsent and nothing is sent", oldest), Since: since,
				Patience: i.readiness.Patience() + outboxEvery,
			}
		},
	}
}

// refusedCheck finds events that the log refuses for their own sake. They wait for a
// person, as dead letters do, and hold nothing up: one event must not take a service
// out of use.
func (i *instance) refusedCheck() ready.Check {
	return ready.Check{
		Name: "refused", Advisory: true, Every: 2 * outboxEvery,
		Remedy: "look at them with quadrille refused list " + i.service.Name,
		Probe: func(ctx context.Context) ready.Finding {
			n, err := outbox.CountRefused(ctx, i.db, outbox.RefusedOpen)
			if err == nil && n > 0 {
				err = fmt.Errorf("the log refuses %d events", n)
			}
			return ready.Finding{Err: err}
		},
	}
}

// historyCheck finds a history that is lost, or that the broker holds in another form.
func (i *instance) historyCheck() ready.Check {
	return ready.Check{
		Name: "history", Every: time.Second, Patience: time.Second,
		Remedy: "events stay in the outbox; a lost history is published again by itself, anything else has to be put right on the broker",
		Probe:  func(context.Context) ready.Finding { return ready.Finding{Err: i.relay.History()} },
	}
}

// consumerCheck finds a consumer that fails, hangs, or has no history to read; and, on
// every instance, a position that stands still although events wait.
func (i *instance) consumerCheck(r *consumer.Consumer) ready.Check {
	still := stillness{reader: r}
	return ready.Check{
		Name:   "reader " + r.Stream(),
		Remedy: fmt.Sprintf("see that %s runs and can be reached; no event is skipped meanwhile", r.Stream()),
		Probe: func(ctx context.Context) ready.Finding {
			h := r.Health()
			held := i.lease.Held()
			switch {
			case held && h.Err != "":
				return ready.Finding{Err: errors.New(h.Err), Since: h.Since} //nolint:err113 // carries the reader's own words
			case held && h.Read > 0:
				return ready.Finding{
					Err:   fmt.Errorf("at work on %d events, none of which is done", h.Read),
					Since: h.BusySince, Patience: i.readiness.Patience() + r.Timeout(),
				}
			}
			if f := still.look(ctx); f.Err != nil {
				f.Patience = i.readiness.Patience() + r.Timeout()
				return f
			}
			if !held {
				return ready.Finding{Detail: consumer.StateStandby}
			}
			return ready.Finding{Detail: r.State()}
		},
	}
}

// stillness watches a position that every instance can see.
type stillness struct {
	reader *consumer.Consumer
	mark   consumer.Sample
	since  time.Time // when mark was seen first
	looked time.Time
}

// markEvery is the interval at which the reader check reads positions from the database
// and ends of streams from the log.
const markEvery = 10 * time.Second

// look finds a position that was not moved since an earlier look although events were
// waiting then. An error of asking is another check's.
func (s *stillness) look(ctx context.Context) ready.Finding {
	if time.Since(s.looked) >= markEvery {
		s.looked = time.Now()
		mark, err := s.reader.Sample(ctx)
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
