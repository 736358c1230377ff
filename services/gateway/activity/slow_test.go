package activity

import (
	"math"
	"runtime"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
)

// opens waits until n streams are open.
func (i *instance) opens(t testing.TB, n int) {
	t.Helper()
	for begun := time.Now(); i.Open() != n; runtime.Gosched() {
		if time.Since(begun) > testTimeout {
			t.Fatalf("%d streams are open, want %d", i.Open(), n)
		}
	}
}

// live waits until every open stream is up to date, so that new activities are counted.
func (i *instance) live(t testing.TB) {
	t.Helper()
	for begun, behind := time.Now(), 1; behind > 0; runtime.Gosched() {
		i.hub.mu.Lock()
		behind = len(i.hub.catchingUp)
		i.hub.mu.Unlock()
		if time.Since(begun) > testTimeout {
			t.Fatalf("%d streams are behind", behind)
		}
	}
}

func TestCutsStalledClientWhenTooManyActivitiesWait(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) {
		c.StallTimeout, c.WriteTimeout = time.Nanosecond, time.Hour
	})
	c, _ := i.listen(t, "", anonymous())
	i.opens(t, 1)
	i.live(t)
	told := 0
	for ; i.Open() > 0; told += 10 {
		i.record(t, products(10)...)
		if told > 100_000 {
			t.Fatal("it is not cut")
		}
	}
	if told <= 256 {
		t.Errorf("it was cut when %d waited", told)
	}
	last := int64(0)
	for _, f := range c.ended() {
		last = f.seq(t)
	}
	c, _ = i.listen(t, "", after(anonymous(), last))
	for _, f := range c.some(t, told-int(last)) {
		if last++; f.seq(t) != last {
			t.Fatalf("told %d, want %d", f.seq(t), last)
		}
	}
}

func TestCutsStalledClientAfterWriteTimeout(t *testing.T) {
	t.Parallel()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) { c.WriteTimeout = 50 * time.Millisecond })
	i.listen(t, "", anonymous())
	i.opens(t, 1)
	i.record(t, products(1)...)
	i.opens(t, 0)
}

func TestDoesNotCutClientForActivitiesItMayNotSee(t *testing.T) {
	t.Parallel()
	sales := newSales()
	i := start(t, dbtest.SQLite(t, "gateway", tables()), sales, func(c *Config) { c.StallTimeout, c.MaxWaiting, c.RingSize = time.Nanosecond, 1, 8 })
	c, _ := i.listen(t, "", as("bob", "customer"))
	for range 30 {
		i.record(t, sales.placed("o1", "ann"))
	}
	i.record(t, sales.placed("o2", "bob"))
	if f := c.next(t); f.id != "31" {
		t.Errorf("told %+v", f)
	}
}

// A client that reads receives everything, however large the burst and however small the
// ring.
func TestDoesNotCutReadingClientInBurst(t *testing.T) {
	t.Parallel()
	for name, ring := range map[string]int{"from the table": 16, "from the ring": 8192} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, dbtest.SQLite(t, "gateway", tables()), newSales(), func(c *Config) {
				c.RingSize, c.StallTimeout, c.WriteTimeout = ring, 3*testTimeout, 3*testTimeout // the machine may be slow
			})
			c, _ := i.listen(t, "", anonymous())
			i.record(t, products(1200)...)
			for want, f := range c.some(t, 1200) {
				if f.seq(t) != int64(want+1) {
					t.Fatalf("told %d, want %d", f.seq(t), want+1)
				}
			}
		})
	}
}

func TestDoesNotPollWithoutStreams(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, "gateway", tables())
	i := start(t, conn, newSales(), func(c *Config) { c.Poll = time.Millisecond })
	c, _ := i.listen(t, "", anonymous())
	i.record(t, products(1)...)
	c.next(t)
	c.close()
	i.opens(t, 0)
	for warm := true; warm; runtime.Gosched() {
		i.hub.mu.Lock()
		warm = i.hub.warm
		i.hub.mu.Unlock()
	}
	if err := conn.Exec("ALTER TABLE activity RENAME TO away").Error; err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, math.MaxInt8)
	i.tail.wake()
	if err := conn.Callback().Query().Before("gorm:query").Register("seen", func(*gorm.DB) { asked <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
		t.Error("the table was read")
	case <-time.After(30 * time.Millisecond): // thirty polls
	}
}
