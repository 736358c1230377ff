package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/restclient"
)

const (
	goodEvents     = 20_000
	poisonEvents   = 1_000
	poisonSubjects = 300
)

// owner answers call-backs over HTTP and refuses keys that begin with "bad" with 422.
func owner(b *testing.B) func(ctx context.Context, ids []string) ([]string, error) {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys := r.URL.Query()["id"]
		if i := slices.IndexFunc(keys, func(k string) bool { return k[:3] == "bad" }); i >= 0 {
			w.Header().Set("Content-Type", fault.ProblemType)
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"code":"id_invalid","detail":"not an ID: %s"}`, keys[i])
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": keys})
	}))
	b.Cleanup(server.Close)
	return func(ctx context.Context, ids []string) ([]string, error) {
		return restclient.ByKeys[string](ids, func(keys []string) (*http.Response, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				return nil, err
			}
			q := r.URL.Query()
			q["id"] = keys
			r.URL.RawQuery = q.Encode()
			return server.Client().Do(r)
		})
	}
}

// follower copies what the owner answers, and counts.
type follower struct {
	copier

	get func(ctx context.Context, ids []string) ([]string, error)
}

func (f *follower) Fetch(ctx context.Context, batch []events.Event) (struct{}, error) {
	_, err := f.get(ctx, consumer.Subjects(consumer.Newest(batch)))
	unfit, err := copies.Refused(err)
	if err == nil && len(unfit) > 0 {
		return struct{}{}, unfit
	}
	return struct{}{}, err
}

// unattributed fails for a whole batch, and does not say for which subject.
type unattributed struct{ copier }

func (u *unattributed) Fetch(_ context.Context, batch []events.Event) (struct{}, error) {
	for _, e := range batch {
		if e.Subject[:3] == "bad" {
			return struct{}{}, errors.New("a rule is broken")
		}
	}
	return struct{}{}, nil
}

// mixed returns good events with poison spread among them: half of it is no event at all.
func mixed(poison bool, garbage bool) []bus.Message {
	var all []bus.Message
	add := func(subject string, version int64) {
		e := events.OrderChanged(events.SalesOrderPlaced, subject, version)
		body, _ := e.Encode()
		all = append(all, bus.Message{ID: e.ID, Type: e.Type, Body: body})
	}
	bad := 0
	for i := range goodEvents {
		add(fmt.Sprint("good", i), 1)
		if poison && i%(goodEvents/poisonEvents) == 7 {
			if bad++; garbage {
				all = append(all, bus.Message{Body: fmt.Appendf(nil, `{"no":"event %d"}`, bad)})
			} else {
				add(fmt.Sprint("bad", bad%poisonSubjects), int64(bad/poisonSubjects+1))
			}
		}
	}
	return all
}

// BenchmarkPoison reads 20,000 good events, without and with 1,000 poison events of 300
// subjects among them, on each database. It reports the throughput of the good ones with
// poison in percent of that without, from the fastest run of each, and fails if an event is
// neither applied nor a letter.
func BenchmarkPoison(b *testing.B) {
	for _, database := range []string{"postgres", "sqlite"} {
		open := func(b *testing.B) *gorm.DB {
			b.Helper()
			if database == "postgres" {
				return dbtest.Postgres(b, "bench", copyTable())
			}
			return dbtest.SQLite(b, "bench", copyTable())
		}
		for _, c := range []struct {
			name    string
			garbage bool
			handler func(*testing.B) consumer.Handler[struct{}]
			made    func(consumer.Config, consumer.Handler[struct{}]) (*consumer.Consumer, error)
		}{
			{"no_event", true, followed, consumer.NewConverging[struct{}]},
			{"refused_subject", false, followed, consumer.NewConverging[struct{}]},
			{"refused_subject_in_order", false, followed, consumer.NewInOrder[struct{}]},
			{"unnamed_subject", false, func(*testing.B) consumer.Handler[struct{}] {
				return &unattributed{copier{applied: make(chan int, 10_000)}}
			}, consumer.NewConverging[struct{}]},
		} {
			b.Run(database+"/"+c.name, func(b *testing.B) {
				clean, poisoned := time.Hour, time.Hour // the fastest of each: others were disturbed
				for range b.N {
					clean = min(clean, poisonRun(b, open(b), mixed(false, false), c.handler(b), c.made))
					poisoned = min(poisoned, poisonRun(b, open(b), mixed(true, c.garbage), c.handler(b), c.made))
				}
				b.ReportMetric(100*clean.Seconds()/poisoned.Seconds(), "%_of_clean")
				b.ReportMetric(goodEvents/poisoned.Seconds(), "good/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func followed(b *testing.B) consumer.Handler[struct{}] {
	b.Helper()
	return &follower{copier{applied: make(chan int, 10_000)}, owner(b)}
}

// poisonRun returns how long a consumer takes to apply every good event.
func poisonRun(b *testing.B, conn *gorm.DB, all []bus.Message, h consumer.Handler[struct{}],
	made func(consumer.Config, consumer.Handler[struct{}]) (*consumer.Consumer, error),
) time.Duration {
	b.Helper()
	log := newBus(b)
	for start := 0; start < len(all); start += 1000 {
		check(b, log.Publish(b.Context(), "sales", all[start:min(start+1000, len(all))]))
	}
	c, err := made(consumer.Config{Bus: log, DB: conn, Subscriber: "poison", Stream: "sales", Log: quiet, FromStart: true}, h)
	check(b, err)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	began := time.Now()
	running.Go(func() { _ = c.Run(ctx) })
	var n int64
	for n < goodEvents {
		time.Sleep(5 * time.Millisecond)
		check(b, conn.Raw("SELECT COUNT(*) FROM copies WHERE id LIKE 'good%'").Scan(&n).Error)
	}
	took := time.Since(began)
	stop()
	running.Wait()
	var letters int64
	check(b, conn.Model(&deadletter.Letter{}).Count(&letters).Error)
	if want := int64(len(all) - goodEvents); letters != want {
		b.Fatalf("%d letters, want %d", letters, want)
	}
	return took
}
