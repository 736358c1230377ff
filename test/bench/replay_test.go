package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
	"quadrille/test/harness/binary"
)

const (
	replayed = 500_000   // events of the replay
	backlog  = 1_000_000 // unsent, and unread, events of the backlogs
	subjects = 4_000     // orders that they are about
)

func orderID(n int) string { return fmt.Sprintf("order-%05d", n%subjects) }

// changed returns event n of a history in which the orders change in turn.
func changed(n int) events.Event {
	return events.OrderChanged(events.SalesOrderConfirmed, orderID(n), int64(n/subjects)+1)
}

// playSales answers GET /orders?id= with orders as they are after total events.
func playSales(b *testing.B, total int) *httptest.Server {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var page salesclient.OrderPage
		for _, id := range r.URL.Query()["id"] {
			o := salesclient.Order{
				Id: id, Customer: "c", Status: salesclient.Confirmed, Total: salesclient.Money{Amount: "10.00", Currency: "GBP"},
				Version: int64(total / subjects), PlacedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			}
			for i := range 4 {
				o.Lines = append(o.Lines, salesclient.OrderLine{
					Sku: "SKU" + strconv.Itoa(i), Quantity: 1, Title: "A thing that is sold", Price: salesclient.Money{Amount: "2.50", Currency: "GBP"},
				})
			}
			page.Items = append(page.Items, o)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page) // a caller that went away asks again
	}))
	b.Cleanup(server.Close)
	return server
}

// machine prepares one service to run as a process, on real parts of its own.
func machine(b *testing.B, cfg app.Config, env ...string) *binary.Machine {
	b.Helper()
	return binary.New(b, append(env,
		"DATABASE_URL="+cfg.DatabaseURL, "AMQP_URL="+cfg.AMQPURL, "DATABASE_SCHEMA_PREFIX="+cfg.SchemaPrefix,
		"BUS_PREFIX="+cfg.BusPrefix, "LOG_LEVEL=warn")...)
}

// until waits for something that a running service says of itself.
func until(b *testing.B, m *binary.Machine, service string, is func(ops.Subscriptions) bool) {
	b.Helper()
	hc := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	ops := ops.New(m.URL(service), hc)
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		s, err := ops.Subscriptions(b.Context())
		if err == nil && is(s) {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("not in time: %+v, %v", s, err)
		}
	}
}

// peakMiB returns the peak memory of a process.
func peakMiB(b *testing.B, p *binary.Process) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/status")
	check(b, err)
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
			kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			check(b, err)
			return kB / 1024
		}
	}
	b.Fatal("no VmHWM")
	return 0
}

// openLog opens the log of a machine's services.
func openLog(b *testing.B, cfg app.Config) *rabbitmq.Log {
	b.Helper()
	log, err := rabbitmq.New(rabbitmq.Config{URLs: []string{cfg.AMQPURL}, Prefix: cfg.BusPrefix, Log: quiet})
	check(b, err)
	b.Cleanup(func() { check(b, log.Close()) })
	check(b, log.Ready(b.Context()))
	return log
}

// bareRead measures the limit of a reader: a client that discards every event.
func bareRead(b *testing.B, cfg app.Config, n int) (perSecond float64) {
	b.Helper()
	conn, err := amqp.Dial(cfg.AMQPURL)
	check(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(b, err)
	check(b, ch.Qos(1000, 0, false))
	began := time.Now()
	deliveries, err := ch.Consume(cfg.BusPrefix+"sales.history", "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	check(b, err)
	got := 0
	for d := range deliveries {
		if got++; got%100 == 0 {
			check(b, d.Ack(true))
		}
		if got == n {
			break
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// readAll starts stats for the first time and waits until it has read everything.
func readAll(b *testing.B, m *binary.Machine, end bus.Position) *binary.Process {
	b.Helper()
	p := m.Start(nil, "serve", "stats")
	until(b, m, "stats", func(s ops.Subscriptions) bool {
		return slices.ContainsFunc(s.Items, func(r ops.Subscription) bool { return r.Position == end.Offset })
	})
	return p
}

// BenchmarkReplay starts stats where a long history is there already: it reads all
// of it, calls back for what it does not have, and keeps it, on PostgreSQL.
func BenchmarkReplay(b *testing.B) {
	for range b.N {
		cfg := harness.Real(b)
		log := openLog(b, cfg)
		for start := 0; start < replayed; start += 1000 {
			news := make([]events.Event, 1000)
			for i := range news {
				news[i] = changed(start + i)
			}
			check(b, log.Publish(b.Context(), "sales", messages(b, news)))
		}
		end, err := log.End(b.Context(), "sales")
		check(b, err)
		bare := bareRead(b, cfg, replayed)
		m := machine(b, cfg, "SALES_URL="+playSales(b, replayed).URL)
		began := time.Now()
		p := readAll(b, m, end)
		rate := replayed / time.Since(began).Seconds()
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(100*rate/bare, "%_of_bare")
		b.ReportMetric(peakMiB(b, p), "peak_MiB")
		b.ReportMetric(0, "ns/op")
		p.Kill()
	}
}

// fillOutbox puts n unsent events into the outbox of sales, as if the broker had
// been away for that long.
func fillOutbox(b *testing.B, cfg app.Config, n int) {
	b.Helper()
	ctx := b.Context()
	conn, err := pgx.Connect(ctx, cfg.DatabaseURL)
	check(b, err)
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, `INSERT INTO `+pgx.Identifier{cfg.SchemaPrefix + "sales"}.Sanitize()+`.outbox (event_id, type, subject, routing_key, body, created_at)
		SELECT id, 'sales.order_confirmed', subject, 'sales.order_confirmed.' || subject,
			json_build_object('specversion', '1.0', 'id', id, 'source', '/sales', 'type', 'sales.order_confirmed', 'subject', subject,
				'time', '2026-01-02T03:04:05.678Z', 'version', version, 'correlationid', id, 'datacontenttype', 'application/json',
				'data', json_build_object('href', '/orders/' || subject))::text, now()
		FROM (SELECT gen_random_uuid()::text AS id, 'order-' || lpad((n % `+strconv.Itoa(subjects)+`)::text, 5, '0') AS subject,
			n / `+strconv.Itoa(subjects)+` + 1 AS version FROM generate_series(0, `+strconv.Itoa(n-1)+`) AS n) AS e`)
	check(b, err)
}

// BenchmarkBacklog drains a million unsent events, and then a million unread ones.
func BenchmarkBacklog(b *testing.B) {
	for range b.N {
		cfg := harness.Real(b)
		m := machine(b, cfg, "SALES_URL="+playSales(b, backlog).URL)
		if out, err := m.Run("migrate", "sales"); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		fillOutbox(b, cfg, backlog)
		began := time.Now()
		sales := m.Start(nil, "serve", "sales")
		until(b, m, "sales", func(s ops.Subscriptions) bool { return s.Outbox.Unsent == 0 })
		b.ReportMetric(backlog/time.Since(began).Seconds(), "unsent/s")
		b.ReportMetric(peakMiB(b, sales), "relay_peak_MiB")
		sales.Kill()
		end, err := openLog(b, cfg).End(b.Context(), "sales")
		check(b, err)
		began = time.Now()
		stats := readAll(b, m, end)
		b.ReportMetric(backlog/time.Since(began).Seconds(), "unread/s")
		b.ReportMetric(peakMiB(b, stats), "reader_peak_MiB")
		b.ReportMetric(0, "ns/op")
		stats.Kill()
	}
}
