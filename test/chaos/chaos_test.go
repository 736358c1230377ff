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

	"quadrille/test/harness/customers"
	"quadrille/test/harness/long"
)

// result counts the orders that came in during one fault.
type result struct {
	fault                              string
	sent, accepted, final, twice, lost int
	recovered                          time.Duration
}

// Faults happen while orders come in. After each fault the shop has every accepted order
// once, in a final state, and the audit finds no difference. A short run has four faults,
// one with -tags long has one of each family. CHAOS_FAULTS sets the number of faults and
// selects every kind, in turn; CHAOS_ONLY selects kinds by a part of their name.
func TestKeepsEveryOrderThroughFaults(t *testing.T) {
	wanted, _ := strconv.Atoi(os.Getenv("CHAOS_FAULTS"))
	only := os.Getenv("CHAOS_ONLY")
	l := durations{stopped: 6 * time.Second}
	if wanted > 0 {
		l.stopped = 40 * time.Second
	}
	selected := long.Pick(shortRun, longRun)
	all := slices.DeleteFunc(faults(l), func(k kind) bool {
		return !strings.Contains(k.name, only) || wanted == 0 && only == "" && !slices.Contains(selected, k.name)
	})
	if only == "" && len(all) < len(selected) {
		t.Fatalf("only %d of %d kinds of faults were found", len(all), len(selected))
	}
	s := newShop(t)
	c := newCustomers(t, s)
	began := time.Now()
	var results []result
	for i := range max(wanted, len(all)) {
		f := all[i%len(all)]
		r := inject(t, s, c, f)
		results = append(results, r)
		t.Logf("%3d %-50s %4d sent %4d accepted %4d final %d twice %d lost, idle after %s",
			i+1, r.fault, r.sent, r.accepted, r.final, r.twice, r.lost, r.recovered.Round(time.Millisecond))
		if t.Failed() {
			break
		}
	}
	report(t, results, time.Since(began))
}

// inject causes a fault while customers order, waits until the shop is idle, and counts
// the orders.
func inject(t *testing.T, s *shop, c *customers.Customers, f kind) result {
	t.Helper()
	sent, _, accepted := c.Counts()
	ordering, enough := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { c.Run(ordering, 3) })
	time.Sleep(200 * time.Millisecond) // orders are on their way
	f.do(s)
	repaired := time.Now()
	time.Sleep(200 * time.Millisecond) // and more, after it
	enough()
	done.Wait()
	s.ready()
	s.awaitIdle()
	r := result{fault: f.name, recovered: time.Since(repaired)}
	found := c.Check(t)
	r.final, r.twice, r.lost = found.Final, found.Twice, found.Lost
	s.audit("after " + r.fault)
	sentNow, _, acceptedNow := c.Counts()
	r.sent, r.accepted = sentNow-sent, acceptedNow-accepted
	r.final -= accepted // these were final before the fault
	return r
}

// report prints the table of docs/reliability.md: a line for each kind of fault.
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
