package activity

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

// manyStreams is the number of streams that one instance must hold.
const manyStreams = 2000

// rawStream is a stream read as bytes, so that many clients cost little.
type rawStream struct {
	net.Conn

	buffer [4096]byte
	have   int
}

// open asks for a stream as customer n, and waits for its hello.
func (i *instance) rawStream(t testing.TB, n int) *rawStream {
	t.Helper()
	conn, err := i.dial(t.Context(), "tcp", i.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	l := &rawStream{Conn: conn}
	t.Cleanup(func() { _ = l.Close() })
	_ = l.SetDeadline(time.Now().Add(3 * testTimeout))
	if _, err := fmt.Fprintf(l, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nX-Subject: c%d\r\nX-Roles: customer\r\n\r\n", n); err != nil {
		t.Fatal(err)
	}
	if err := l.until("event: hello"); err != nil {
		t.Fatal(err)
	}
	return l
}

// until reads until text has come.
func (l *rawStream) until(text string) error {
	for {
		if at := bytes.Index(l.buffer[:l.have], []byte(text)); at >= 0 {
			l.have = copy(l.buffer[:], l.buffer[at+len(text):l.have])
			return nil
		}
		if l.have == len(l.buffer) {
			l.have = copy(l.buffer[:], l.buffer[l.have-len(text):])
		}
		n, err := l.Read(l.buffer[l.have:])
		if l.have += n; err != nil {
			return fmt.Errorf("waiting for %q: %w", text, err)
		}
	}
}

// Every stream receives an event for all; each tenth also received an event of its own
// order before.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	sales := newSales()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), sales, func(c *Config) { c.WriteTimeout = 3 * testTimeout })
	lines := make([]*rawStream, manyStreams)
	for n := range lines {
		lines[n] = i.rawStream(t, n)
	}
	i.opens(t, manyStreams)
	var batch []events.Event
	var reading sync.WaitGroup
	for n, l := range lines {
		want := []string{fmt.Sprintf("-%d\nevent: catalog", manyStreams/10+1)}
		if n%10 == 0 {
			batch = append(batch, sales.placed(fmt.Sprint("o", n), fmt.Sprint("c", n)))
			want = slices.Insert(want, 0, fmt.Sprintf("event: %s\ndata: {\"seq\":%d,", events.SalesOrderPlaced, len(batch)))
		}
		reading.Go(func() {
			for _, text := range want {
				if err := l.until(text); err != nil {
					t.Errorf("stream %d: %v", n, err)
				}
			}
		})
	}
	i.record(t, append(batch, products(1)...)...)
	reading.Wait()
	if i.Open() != manyStreams {
		t.Errorf("%d streams are left", i.Open())
	}
}

// BenchmarkManyStreams opens many streams over TCP, all of which receive each event. It
// reports the memory of an idle stream, both ends of the connection included, and the
// time from the commit until the median and the last client have the event.
func BenchmarkManyStreams(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *gorm.DB{
		"sqlite":   func(b *testing.B) *gorm.DB { return dbtest.SQLite(b, "gateway", tables()) },
		"postgres": func(b *testing.B) *gorm.DB { return dbtest.Postgres(b, "gateway", tables()) },
	} {
		b.Run(name, func(b *testing.B) {
			i := startTCP(b, open(b), newSales(), func(c *Config) { c.Heartbeat = time.Hour })
			before := inUse()
			lines := make([]*rawStream, manyStreams)
			for n := range lines {
				lines[n] = i.rawStream(b, n)
			}
			i.opens(b, manyStreams)
			mine := int64(len(lines)) * int64(len(lines[0].buffer))
			memory := (inUse() - before - mine) / int64(len(lines))
			var all []time.Duration
			var last []time.Duration
			seq := 0
			for b.Loop() {
				seq++
				took := i.fanOut(b, lines, seq)
				all, last = append(all, took...), append(last, slices.Max(took))
			}
			b.ReportMetric(float64(memory), "B/stream")
			b.ReportMetric(ms(median(all)), "ms/median")
			b.ReportMetric(ms(median(last)), "ms/last")
		})
	}
}

// fanOut records one event and returns the time until each client had it.
func (i *instance) fanOut(b *testing.B, lines []*rawStream, seq int) []time.Duration {
	b.Helper()
	took := make([]time.Duration, len(lines))
	var reading sync.WaitGroup
	var committed time.Time
	has := make([]time.Time, len(lines))
	for n, l := range lines {
		reading.Go(func() {
			if err := l.until(fmt.Sprintf("-%d\n", seq)); err != nil {
				b.Error(err)
			}
			has[n] = time.Now()
		})
	}
	batch := products(1)
	recorder := i.recorder()
	activities, err := recorder.Fetch(context.Background(), batch)
	if err == nil {
		err = i.store.db.Transaction(func(tx *gorm.DB) error { return recorder.Apply(context.Background(), tx, batch, activities) })
	}
	if err != nil {
		b.Fatal(err)
	}
	committed = time.Now()
	i.tail.wake()
	reading.Wait()
	for n := range took {
		took[n] = has[n].Sub(committed)
	}
	return took
}

// inUse returns the bytes of heap and stacks that are in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
