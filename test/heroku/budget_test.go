package heroku_test

import (
	"strings"
	"testing"

	"quadrille/internal/app"
)

// noted is how many bytes the system may write by itself for a process: when a file
// was read last.
const noted = 16 << 10

// checkBudgets holds what docs/heroku.md says of connections, and that nothing needs
// a disk. That all dynos together stay below the limits of the plans is the add-ons'
// own to see to: they let nobody in beyond them.
func (p *platform) checkBudgets(t *testing.T) {
	t.Helper()
	for _, d := range p.ever {
		most, written := d.seen.result()
		if written > noted {
			t.Errorf("%s wrote %d bytes to the disk", d.name, written)
		}
		for port, limit := range map[string]int{"5671": 2, "6379": 4, "5432": 2 * len(services(p.lines[d.kind]))} {
			if d.kind == release || d.kind == "run" {
				limit = 2
			}
			if most[port] > limit {
				t.Errorf("%s had %d connections to port %s, and %d are its share", d.name, most[port], port, limit)
			}
		}
		if len(services(p.lines[d.kind])) > 0 && (most["5671"] == 0 || most["5432"] == 0) {
			t.Errorf("%s was never seen with connections (%v), so that this test says nothing", d.name, most)
		}
	}
}

// services is those with a database that a command line serves.
func services(line string) (found []string) {
	for _, word := range strings.Fields(line) {
		for _, service := range app.Names() {
			if word == service {
				found = append(found, word)
			}
		}
	}
	return found
}
