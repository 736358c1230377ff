package browser_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
)

// orderly is a service in the test's process that handles the events of sales in order. Events
// named in bad fail.
type orderly struct {
	bus bus.Bus
	url string

	mu   sync.Mutex
	bad  []string // "subject/version"
	done []string // in order
}

func (o *orderly) Fetch(context.Context, []events.Event) (struct{}, error) { return struct{}{}, nil }

func (o *orderly) Apply(_ context.Context, _ consumer.Tx, batch []events.Event, _ struct{}) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range batch {
		if slices.Contains(o.bad, nameOf(e)) {
			return fmt.Errorf("the mail server refuses %s", nameOf(e))
		}
	}
	for _, e := range batch {
		o.done = append(o.done, nameOf(e))
	}
	return nil
}

func nameOf(e events.Event) string { return fmt.Sprintf("%s/%d", e.Subject, e.Version) }

func (o *orderly) fail(names ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bad = names
}

func (o *orderly) handled() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.done, " ")
}

// startOrderly starts the service in place of stats.
func startOrderly(t *testing.T) *orderly {
	t.Helper()
	o := &orderly{}
	o.url = replaceStats(t, func(d app.Deps) (app.Components, error) {
		o.bus = d.Bus
		cfg := d.Consumer("stats", "sales", nil)
		cfg.FromStart, cfg.MaxAttempts, cfg.RetryPause, cfg.IdleCheck = true, 2, 100*time.Millisecond, 50*time.Millisecond
		c, err := consumer.NewInOrder(cfg, o)
		return app.Components{Consumers: []*consumer.Consumer{c}}, err
	})
	return o
}

// replaceStats starts a service in the test's process, on its own files, and returns its URL. A
// shop that has the URL as STATS_URL shows the service under the name stats.
func replaceStats(t *testing.T, build func(app.Deps) (app.Components, error)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := app.Service{
		Name: "stats", Reads: []string{"sales"}, Migrations: dbtest.NoTables(), Build: build,
		Spec: []byte("{openapi: 3.0.3, info: {title: t, version: v}, paths: {}}"),
	}
	cfg := app.Config{Services: []string{"sales", "stats"}, Data: t.TempDir(), Listeners: map[string]net.Listener{"stats": l}}
	running, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []app.Service{service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// publish publishes an event of sales for each subject and version.
func (o *orderly) publish(t *testing.T, subject string, versions ...int64) {
	t.Helper()
	messages := make([]bus.Message, len(versions))
	for i, v := range versions {
		e := events.OrderChanged(events.SalesOrderShipped, subject, v)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = bus.Message{ID: e.ID, Type: e.Type, Body: body}
	}
	if err := o.bus.Publish(t.Context(), "sales", messages); err != nil {
		t.Fatal(err)
	}
}

// TestASequenceIsDrained retries and discards the heads of a sequence. The events behind them
// follow in order.
func TestASequenceIsDrained(t *testing.T) {
	t.Parallel()
	o := startOrderly(t)
	o.fail("o-1/1", "o-1/3")
	o.publish(t, "o-1", 1, 2, 3, 4)
	o.publish(t, "o-2", 1)
	s := upWith(t, []string{"STATS_URL=" + o.url})
	b := open(t, s.base(), "/operations/dead-letters")
	b.expect("422 (Unprocessable Entity)")
	b.signIn("stella")
	b.sees("3 events wait, not tried yet", "1 dead letter", "3 events wait behind it", "the mail server refuses")
	b.press("button", "Show events")
	b.press(".members button", "3 events wait behind this one")
	b.until(`document.querySelectorAll(".waiting-letters li").length === 3`)
	b.seen("sequence")
	b.press(".waiting-letters button", "Order shipped")
	b.sees("It waits for an earlier event of its subject.")
	b.missesNow("Retry event")
	b.press("dialog button", "Show the event it waits for")
	b.sees("They follow in order when this one has been retried or discarded, up to the next failure.")
	b.press("dialog button", "Retry event")
	b.sees("The retry failed.")
	b.until(`document.querySelector("dialog .facts").innerText.includes("3 attempts")`)
	b.seen("letter")
	o.fail("o-1/3")
	b.press("dialog button", "Retry event")
	b.sees("The event was processed. The 3 events that wait behind it follow in order", "1 event waits behind it")
	if done := o.handled(); done != "o-2/1 o-1/1 o-1/2" {
		t.Errorf("handled are %s", done)
	}
	b.press("button", "Discard all")
	b.sees("The event that waits behind them follows.")
	b.enter("#reason", "sent by hand")
	b.press("dialog button", "Discard")
	b.sees("1 dead letter was discarded.", "No dead letters are left.")
	b.until(`document.activeElement !== document.body`)
	b.press("a", "Discarded")
	b.sees("Reason: sent by hand", "refuses o-1/3")
	b.press("a", "Retried")
	b.until(`document.querySelectorAll("section .rows > li").length === 3`)
	if done := o.handled(); done != "o-2/1 o-1/1 o-1/2 o-1/4" {
		t.Errorf("handled are %s", done)
	}
}
