package heroku_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"quadrille/services"
	"quadrille/test/harness/long"
)

// noted limits the bytes that the system may write by itself for a process: access times
// of files.
const noted = 16 << 10

// checkBudgets holds what docs/heroku.md says of connections, and that nothing needs
// a disk. That all dynos together stay below the limits of the plans is the add-ons'
// own to see to: they let nobody in beyond them.
func (p *platform) checkBudgets(t *testing.T) {
	t.Helper()
	rows := shares(t)
	worker := rows[theService()]
	worker[1] *= len(services.Names())
	kinds := map[string][3]int{"web": rows["`web`"], "worker": worker, release: rows["`release`, while it runs"], "run": rows["one-off: `quadrille audit`"]}
	for _, d := range p.ever {
		share, named := kinds[d.kind]
		if !named {
			share = rows[theService()]
		}
		share[2] = 4 // stats is reached over Redis here
		d.checkShare(t, share)
	}
}

// checkShare compares what a dyno had with its share at broker, PostgreSQL and Redis.
func (d *dyno) checkShare(t *testing.T, share [3]int) {
	t.Helper()
	most, any, written := d.seen.result()
	if written > noted {
		t.Errorf("%s wrote %d bytes to the disk", d.name, written)
	}
	for i, port := range []string{"5671", "5432", "6379"} {
		// Beside other tests, connections that were given up live long enough to be counted.
		if long.Full && most[port] > share[i] {
			t.Errorf("%s had %d connections to port %s, and %d are its share", d.name, most[port], port, share[i])
		}
	}
	if share[0] > 0 && !any["5671"] {
		t.Errorf("%s was never seen with a connection to the broker, so that this test says nothing", d.name)
	}
}

// unacknowledged is the limit of unacknowledged deliveries on the small plan.
const unacknowledged = 1000

// checkCredit checks the sum of the prefetch counts of all channels. A lookup of a
// stream's end opens a channel with a larger one for a moment, so that checkCredit lists
// channels again, for up to half a minute, while the sum is too high.
func (w *network) checkCredit(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := w.broker.Ctl("list_channels", "-p", "lemur", "prefetch_count")
		must(t, err)
		sum, limited := 0, 0
		for line := range strings.Lines(out) {
			if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n > 0 {
				sum += n
				limited++
			}
		}
		if limited > 0 && sum <= unacknowledged {
			t.Logf("%d channels may have %d deliveries under way", limited, sum)
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d channels may have %d deliveries under way, and %d are allowed", limited, sum, unacknowledged)
			return
		}
	}
}

// servedBy returns the services with a database that a command line serves.
func servedBy(line string) (found []string) {
	for word := range strings.FieldsSeq(line) {
		for _, service := range services.Names() {
			if word == service {
				found = append(found, word)
			}
		}
	}
	return found
}
