package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/pkg/events"
	"quadrille/services"
)

// workFaults returns the faults of periodic tasks and of events that cannot be processed.
func workFaults(l durations) []kind {
	return []kind{
		{"kill -9 sales during its tasks", duringTasks("sales", func(s *shop) { s.kill("sales") })},
		{"kill -9 PostgreSQL during tasks", duringTasks("sales", func(s *shop) { s.check(s.postgres.Kill(), s.postgres.Start()) })},
		{"SIGSTOP sales during its tasks, SIGCONT", duringTasks("sales", func(s *shop) {
			s.signal("sales", syscall.SIGSTOP)
			time.Sleep(l.stopped)
			s.signal("sales", syscall.SIGCONT)
		})},
		{"poison in every stream, kill -9 inventory", poisoned},
	}
}

func (s *shop) operations(service string) *ops.Client {
	return ops.New(s.machine.URL(service), &http.Client{Timeout: 10 * time.Second})
}

// duringTasks causes a fault while two instances of a service run its tasks over and over.
// Afterwards every task runs again, and none is stuck.
func duringTasks(service string, fault func(*shop)) func(*shop) {
	return func(s *shop) {
		twin := s.twin(services.Names()...)
		second := twin.Start(nil, "serve", service)
		defer second.Kill()
		s.eventually("the second instance is ready", 30*time.Second, func(ctx context.Context) error { return twin.Ready(ctx, service) })
		asking, enough := context.WithCancel(s.t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for asking.Err() == nil {
				if list, err := s.operations(service).Tasks(asking); err == nil {
					for _, t := range list.Items {
						_, _ = s.operations(service).RunTask(asking, t.Name) // it may run already, or the service be down
					}
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
		fault(s)
		enough()
		<-ended
		s.ready()
		s.tasksRun(service)
	}
}

// tasksRun runs each task of a service once more and waits for its success.
func (s *shop) tasksRun(service string) {
	s.t.Helper()
	c := s.operations(service)
	var before ops.Tasks
	s.eventually("no task is running", time.Minute, func(ctx context.Context) (err error) {
		if before, err = c.Tasks(ctx); err != nil {
			return err
		}
		if len(before.Items) == 0 {
			return errors.New("there are no tasks")
		}
		for _, t := range before.Items {
			if t.Running || t.Requested != nil {
				return fmt.Errorf("%s runs at %q", t.Name, t.Owner)
			}
		}
		return nil
	})
	for _, t := range before.Items {
		s.eventually(t.Name+" runs again", time.Minute, func(ctx context.Context) error {
			now, err := c.Tasks(ctx)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(now.Items, func(n ops.Task) bool { return n.Name == t.Name })
			if n := now.Items[i]; n.Runs > t.Runs && n.Outcome == "succeeded" && !n.Running {
				return nil
			}
			_, err = c.RunTask(ctx, t.Name)
			return errors.Join(fmt.Errorf("%+v", now.Items[i]), err)
		})
	}
}

// poisoned publishes messages that are no event to every stream and kills a reader. Each
// becomes one open letter of each reader, which a person discards, and no order waits.
func poisoned(s *shop) {
	const n = 100
	streams := app.Streams(services.All())
	s.check(publishGarbage(s.rabbit.URL(), streams, n))
	s.kill("inventory")
	s.ready()
	for _, service := range services.All() {
		want := int64(n * len(service.Reads))
		c := s.operations(service.Name)
		s.eventually(fmt.Sprintf("%s has %d letters", service.Name, want), time.Minute, func(ctx context.Context) error {
			page, err := c.DeadLetters(ctx, ops.DeadFilter{}, 1, nil)
			if err == nil && page.Total != want {
				err = fmt.Errorf("%d", page.Total)
			}
			return err
		})
		var done int64
		s.check(c.DiscardGroup(s.t.Context(), ops.DeadFilter{}, "planted by a test", func(r ops.GroupResult) { done += r.Done }))
		if done != want {
			s.t.Errorf("%d letters of %s were discarded, want %d", done, service.Name, want)
		}
	}
}

// publishGarbage publishes n messages that are no event to each stream.
func publishGarbage(url string, streams []string, n int) error {
	conn, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, stream := range streams {
		for i := range n {
			body := fmt.Appendf(nil, "no event %d at %d", i, time.Now().UnixNano())
			c, err := ch.PublishWithDeferredConfirmWithContext(ctx, stream, stream+".garbage", false, false,
				amqp.Publishing{Body: body, ContentType: events.ContentType, DeliveryMode: amqp.Persistent})
			if err != nil {
				return err
			}
			if acked, err := c.WaitContext(ctx); err != nil || !acked {
				return fmt.Errorf("message %d to %s is not confirmed: %w", i, stream, err)
			}
		}
	}
	return nil
}
