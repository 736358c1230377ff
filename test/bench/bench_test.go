package bench_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
	"quadrille/test/harness/parts"
)

// count is the number of events of each measurement.
const count = 50_000

var quiet = slog.New(slog.DiscardHandler)

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// newBus opens a log on RabbitMQ with a prefix of its own.
func newBus(b *testing.B) *rabbitmq.Log {
	b.Helper()
	prefix := "t" + uuid.NewString()[:13] + "."
	url := parts.RabbitMQ(b)
	log, err := rabbitmq.New(rabbitmq.Config{URLs: []string{url}, Prefix: prefix, Log: quiet})
	check(b, err)
	check(b, log.Ready(b.Context()))
	check(b, log.Publish(b.Context(), "sales", nil))
	b.Cleanup(func() {
		check(b, log.Close())
		conn, err := amqp.Dial(url)
		check(b, err)
		defer conn.Close()
		ch, err := conn.Channel()
		check(b, err)
		_, err = ch.QueueDelete(prefix+"sales.history", false, false, false)
		check(b, err)
		check(b, ch.ExchangeDelete(prefix+"sales", false, false))
	})
	return log
}

func copyTable() fstest.MapFS {
	const table = "-- +goose Up\nCREATE TABLE copies (id text NOT NULL PRIMARY KEY, version bigint NOT NULL);\n"
	return fstest.MapFS{
		"migrations/postgres/00001_copies.sql": {Data: []byte(table)},
		"migrations/sqlite/00001_copies.sql":   {Data: []byte(table)},
	}
}

// said returns n events about n subjects.
func said(n int) []events.Event {
	news := make([]events.Event, n)
	for i := range news {
		news[i] = events.OrderChanged(events.SalesOrderPlaced, "order-"+strconv.Itoa(i), 1)
	}
	return news
}

func messages(b *testing.B, news []events.Event) []bus.Message {
	b.Helper()
	all := make([]bus.Message, len(news))
	for i, e := range news {
		body, err := e.Encode()
		check(b, err)
		all[i] = bus.Message{ID: e.ID, Type: e.Type, RoutingKey: e.RoutingKey(), Body: body}
	}
	return all
}

func fill(b *testing.B, conn *gorm.DB, news []events.Event) {
	b.Helper()
	for start := 0; start < len(news); start += 1000 {
		check(b, conn.Transaction(func(tx *gorm.DB) error {
			return outbox.Append(b.Context(), tx, news[start:min(start+1000, len(news))]...)
		}))
	}
}

// BenchmarkRelay relays a filled outbox, beside bare pipelined confirms of the
// same messages into one stream.
func BenchmarkRelay(b *testing.B) {
	for range b.N {
		news := said(count)
		bare := barePublish(b, messages(b, news))
		conn := dbtest.Postgres(b, "bench", copyTable())
		fill(b, conn, news)
		relay, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: newBus(b), Stream: "sales", Log: quiet})
		check(b, err)
		began := time.Now()
		for sent := 0; sent < count; {
			n, err := relay.RunOnce(b.Context())
			check(b, err)
			sent += n
		}
		rate := count / time.Since(began).Seconds()
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(100*rate/bare, "%_of_bare")
		b.ReportMetric(0, "ns/op")
	}
}

// barePublish measures the limit: a client that publishes to a stream and does nothing else.
func barePublish(b *testing.B, all []bus.Message) (perSecond float64) {
	b.Helper()
	conn, err := amqp.Dial(parts.RabbitMQ(b))
	check(b, err)
	defer conn.Close()
	ch, err := conn.Channel()
	check(b, err)
	name := "t" + uuid.NewString()
	_, err = ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "stream"})
	check(b, err)
	defer ch.QueueDelete(name, false, false, false)
	check(b, ch.Confirm(false))
	const atOnce = 500
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, atOnce))
	began := time.Now()
	for start := 0; start < len(all); start += atOnce {
		for _, m := range all[start : start+atOnce] {
			check(b, ch.PublishWithContext(b.Context(), "", name, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: m.ID, Body: m.Body}))
		}
		for range atOnce {
			if c := <-confirms; !c.Ack {
				b.Fatal("not confirmed")
			}
		}
	}
	return float64(len(all)) / time.Since(began).Seconds()
}

// copier writes a row for each event, in one statement a batch.
type copier struct{ applied chan int }

func (c *copier) Fetch(context.Context, []events.Event) (struct{}, error) { return struct{}{}, nil }

func (c *copier) Apply(_ context.Context, tx consumer.Tx, batch []events.Event, _ struct{}) error {
	var rows strings.Builder
	args := make([]any, 0, 2*len(batch))
	for i, e := range batch {
		if i > 0 {
			rows.WriteByte(',')
		}
		rows.WriteString("(?,?)")
		args = append(args, e.Subject, e.Version)
	}
	err := tx.Exec("INSERT INTO copies (id, version) VALUES "+rows.String()+
		" ON CONFLICT (id) DO UPDATE SET version = excluded.version WHERE copies.version < excluded.version", args...).Error
	c.applied <- len(batch)
	return err
}

// readers starts n readers, each with a schema of its own, and returns what waits
// until each has applied all.
func readers(b *testing.B, log bus.Bus, n int) (start, wait func()) {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	var running, applying sync.WaitGroup
	all := make([]*consumer.Consumer, n)
	for i := range all {
		c := &copier{applied: make(chan int, 1000)}
		reader, err := consumer.NewConverging(consumer.Config{
			Bus: log, DB: dbtest.Postgres(b, "bench", copyTable()), Subscriber: fmt.Sprint("r", i), Stream: "sales", Log: quiet,
		}, c)
		check(b, err)
		all[i] = reader
		applying.Go(func() {
			for got := 0; got < count; got += <-c.applied {
				continue
			}
		})
	}
	start = func() {
		for _, r := range all {
			running.Go(func() { _ = r.Run(ctx) })
		}
	}
	return start, func() {
		applying.Wait()
		stop()
		running.Wait()
	}
}

// BenchmarkReader reads history into committed rows.
func BenchmarkReader(b *testing.B) {
	for range b.N {
		log := newBus(b)
		all := messages(b, said(count))
		for start := 0; start < count; start += 1000 {
			check(b, log.Publish(b.Context(), "sales", all[start:start+1000]))
		}
		start, wait := readers(b, log, 1)
		began := time.Now()
		start()
		wait()
		b.ReportMetric(count/time.Since(began).Seconds(), "events/s")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkWholeWay goes from a filled outbox through relay and stream to rows in
// every reader's database.
func BenchmarkWholeWay(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(n, "_readers"), func(b *testing.B) {
			for range b.N {
				log := newBus(b)
				conn := dbtest.Postgres(b, "bench", copyTable())
				fill(b, conn, said(count))
				start, wait := readers(b, log, n)
				relay, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: log, Stream: "sales", Log: quiet})
				check(b, err)
				ctx, stop := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				began := time.Now()
				start()
				go func() { ended <- relay.Run(ctx) }()
				wait()
				took := time.Since(began).Seconds()
				stop()
				check(b, <-ended)
				b.ReportMetric(count/took, "events/s")
				b.ReportMetric(float64(n)*count/took, "applied/s")
				b.ReportMetric(residentMiB(b), "MiB_RSS")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// residentMiB returns the resident memory of this process.
func residentMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/statm")
	check(b, err)
	pages, err := strconv.ParseFloat(strings.Fields(string(status))[1], 64)
	check(b, err)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
