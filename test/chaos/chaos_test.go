package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	salesclient "quadrille/services/sales/client"
)

// result is what one fault cost.
type result struct {
	fault                              string
	sent, accepted, final, twice, lost int
	recovered                          time.Duration
}

// Every kind of fault strikes while orders come in. After each, every order that
// was accepted is there once, final, and all notes agree. CHAOS_FAULTS makes the
// run longer: so many faults, drawn at random after each kind came once.
func TestFaults(t *testing.T) {
	wanted, _ := strconv.Atoi(os.Getenv("CHAOS_FAULTS"))
	only := os.Getenv("CHAOS_ONLY")
	l := lengths{stopped: 6 * time.Second}
	if wanted > 0 {
		l.stopped = 40 * time.Second
	}
	all := slices.DeleteFunc(faults(l), func(m mishap) bool {
		return !strings.Contains(m.name, only) || wanted == 0 && only == "" && !everyRun(m)
	})
	if only == "" && len(all) < 12 {
		t.Fatalf("only %d kinds of faults", len(all))
	}
	s := newShop(t)
	c := newClients(t, s)
	began := time.Now()
	var results []result
	for i := range max(wanted, len(all)) {
		f := all[i%len(all)]
		r := strike(t, s, c, f)
		results = append(results, r)
		t.Logf("%3d %-50s %4d sent %4d accepted %4d final %d twice %d lost, at rest after %s",
			i+1, r.fault, r.sent, r.accepted, r.final, r.twice, r.lost, r.recovered.Round(time.Millisecond))
		if t.Failed() {
			break
		}
	}
	report(t, results, time.Since(began))
}

// strike has a fault happen while customers order, and counts when the shop has
// come to rest.
func strike(t *testing.T, s *shop, c *clients, f mishap) result {
	t.Helper()
	sent, accepted := c.counts()
	ordering, enough := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { c.order(ordering, 3) })
	time.Sleep(200 * time.Millisecond) // orders are on their way
	f.do(s)
	mended := time.Now()
	time.Sleep(200 * time.Millisecond) // and more, after it
	enough()
	done.Wait()
	s.ready()
	s.atRest()
	r := result{fault: f.name, recovered: time.Since(mended)}
	c.check(t, s, &r)
	sentNow, acceptedNow := c.counts()
	r.sent, r.accepted = sentNow-sent, acceptedNow-accepted
	r.final -= accepted // that were final before
	return r
}

func (c *clients) counts() (sent, accepted int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent, len(c.accepted)
}

// check compares what customers were told with what the shop has.
func (c *clients) check(t *testing.T, s *shop, r *result) {
	t.Helper()
	orders := map[string]salesclient.Order{}
	for o, err := range c.sales.AllOrders(t.Context()) {
		must(t, err)
		orders[o.Id] = o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, id := range c.accepted {
		o, there := orders[id]
		switch {
		case !there:
			r.lost++
			t.Errorf("order %s, accepted under key %s, is not there", id, key)
		case o.Status == salesclient.Placed:
			r.lost++
			t.Errorf("order %s is not final", id)
		default:
			r.final++
		}
	}
	if r.twice = len(orders) - len(c.accepted); r.twice != 0 {
		t.Errorf("there are %d orders, %d were accepted", len(orders), len(c.accepted))
	}
	for _, err := range c.refused {
		t.Errorf("an order was refused: %v", err)
	}
	report, err := s.differences()
	must(t, err)
	if !report.Clean() {
		t.Errorf("the notes differ after %s:\n%s\n%s", r.fault, strings.Join(report.Differences[:min(20, len(report.Differences))], "\n"), s.said())
	}
}

// report prints the table of docs/reliability.md, a line for each kind of fault.
func report(t *testing.T, results []result, took time.Duration) {
	t.Helper()
	byFault := map[string][]result{}
	var sum result
	for _, r := range results {
		byFault[r.fault] = append(byFault[r.fault], r)
		sum.sent, sum.accepted, sum.final = sum.sent+r.sent, sum.accepted+r.accepted, sum.final+r.final
		sum.twice, sum.lost = sum.twice+r.twice, sum.lost+r.lost
	}
	fmt.Printf("\n%d faults in %s\n\n| fault | times | sent | accepted | final | twice | lost | at rest after, median | worst |\n|---|---|---|---|---|---|---|---|---|\n",
		len(results), took.Round(time.Second))
	for _, name := range slices.Sorted(maps.Keys(byFault)) {
		var r result
		var times []time.Duration
		for _, one := range byFault[name] {
			r.sent, r.accepted, r.final = r.sent+one.sent, r.accepted+one.accepted, r.final+one.final
			r.twice, r.lost = r.twice+one.twice, r.lost+one.lost
			times = append(times, one.recovered)
		}
		slices.Sort(times)
		fmt.Printf("| %s | %d | %d | %d | %d | %d | %d | %.1f s | %.1f s |\n", name, len(times), r.sent, r.accepted, r.final, r.twice, r.lost,
			times[len(times)/2].Seconds(), times[len(times)-1].Seconds())
	}
	fmt.Printf("| **all** | %d | %d | %d | %d | %d | %d | | |\n\n", len(results), sum.sent, sum.accepted, sum.final, sum.twice, sum.lost)
}
