package heroku_test

import (
	"maps"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness/binary"
)

func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/heroku.md")
	must(t, err)
	return string(text)
}

// packedLine returns the command in docs/heroku.md that runs all services in one dyno.
func packedLine(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^    worker: (quadrille serve .+)$`).FindStringSubmatch(guide(t))
	if found == nil {
		t.Fatal("docs/heroku.md has no line for a worker")
	}
	if got := servedBy(found[1]); !slices.Equal(got, services.Names()) {
		t.Fatalf("the worker of docs/heroku.md serves %v: make it %v, in this order", got, services.Names())
	}
	return found[1]
}

// The add-ons, config vars and dynos that one is told to have are those of app.json.
func TestGuideIsAppJSON(t *testing.T) {
	text, m := guide(t), readManifest(t)
	found := func(pattern string) (all []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, match[1])
		}
		slices.Sort(all)
		return all
	}
	plans := m.plans()
	slices.Sort(plans)
	if got := found(`heroku addons:create (\S+)`); !slices.Equal(got, plans) {
		t.Errorf("docs/heroku.md creates %v, app.json %v", got, plans)
	}
	for name := range m.app.Env {
		if !regexp.MustCompile(`heroku config:set .*\b` + name + `=`).MatchString(text) {
			t.Errorf("docs/heroku.md does not set %s of app.json", name)
		}
	}
	for kind, f := range m.app.Formation {
		if !regexp.MustCompile(`heroku ps:scale .*\b` + kind + `=` + strconv.Itoa(f.Quantity) + `\b`).MatchString(text) {
			t.Errorf("docs/heroku.md does not scale %s as app.json does", kind)
		}
	}
}

// What one is told to set is read, and what one is told to run exists.
func TestGuideFitsTheProgram(t *testing.T) {
	text := guide(t)
	read := variables()
	for _, match := range regexp.MustCompile(`\b([A-Z][A-Z_]{3,})=`).FindAllStringSubmatch(text, -1) {
		if name := match[1]; !slices.Contains(read, name) && !strings.Contains(text, "export "+name+"=") {
			t.Errorf("docs/heroku.md sets %s, which nobody reads", name)
		}
	}
	commands := map[string]bool{}
	for _, match := range regexp.MustCompile(`quadrille ([a-z]+)(?: ([a-z]+))?`).FindAllStringSubmatch(text, -1) {
		commands[match[1]] = true
	}
	for _, command := range slices.Sorted(maps.Keys(commands)) {
		out, err := exec.CommandContext(t.Context(), binary.Program(t), "help", command).CombinedOutput()
		if err != nil || strings.Contains(string(out), "Unknown help topic") {
			t.Errorf("docs/heroku.md runs quadrille %s: %v %s", command, err, out)
		}
	}
	if len(commands) < 4 {
		t.Errorf("docs/heroku.md has only the commands %v", commands)
	}
}

// The guide's worker runs every service.
func TestGuidePacksEveryService(t *testing.T) { packedLine(t) }

// The guide's sum of unacknowledged messages counts every consumer and every service.
func TestGuideCountsUnacknowledged(t *testing.T) {
	found := regexp.MustCompile(`at most (\d+) for each consumer and (\d+) for each service in a dyno: (\d+) with .catalog=3. and\s+.sales=2.`).FindStringSubmatch(guide(t))
	if found == nil {
		t.Fatal("docs/heroku.md does not sum up the unacknowledged messages with `catalog=3` and `sales=2`")
	}
	var numbers [3]int
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(found[i+1])
	}
	want := numbers[1] * (len(services.Names()) + 3)
	for _, s := range services.All() {
		want += numbers[0] * len(s.Reads)
	}
	if numbers[2] != want {
		t.Errorf("docs/heroku.md counts %d unacknowledged messages, want %d: correct the sum below Limits of the plans", numbers[2], want)
	}
	if want > unacknowledged {
		t.Errorf("the shop may have %d unacknowledged messages of %d", want, unacknowledged)
	}
}

// variables returns the names of all environment variables that the program reads.
func variables() (names []string) {
	for field := range reflect.TypeFor[app.Config]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("env"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	for _, service := range services.Names() {
		names = append(names, strings.ToUpper(service)+"_URL", strings.ToUpper(service)+"_DATABASE_URL")
	}
	return names
}

// theService returns the name of the row for one service's process.
func theService() string { return "`" + strings.Join(services.Names(), "`, `") + "`, each" }

// shares reads the table of connections. It returns the numbers of each row in the order of
// the columns.
func shares(t *testing.T) map[string][3]int {
	t.Helper()
	found := map[string][3]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.+) \| (\d+) \| (\d+) \| (\d+) \|$`).FindAllStringSubmatch(guide(t), -1) {
		var numbers [3]int
		for i := range numbers {
			numbers[i], _ = strconv.Atoi(row[i+2])
		}
		found[row[1]] = numbers
	}
	return found
}

// The table's sums are those of its rows, and below what the plans let in.
func TestGuideAddsUp(t *testing.T) {
	rows := shares(t)
	if _, there := rows[theService()]; !there {
		t.Fatalf("the table of connections in docs/heroku.md has no row %s: add the new service to it, and to the sums below", theService())
	}
	web, service := rows["`web`"], rows[theService()]
	worker := [3]int{service[0], service[1] * len(services.Names()), 0}
	for name, want := range map[string][3]int{
		"**all of app.json**":                        plus(web, service, len(services.Names())),
		"with `catalog=3` and `sales=2`":             plus(web, service, len(services.Names())+3),
		"[packed](#fewer-dynos): `web` and `worker`": plus(web, worker, 1),
		"one-off: `quadrille audit`":                 {1, 0, 0},
		"`release`, while it runs":                   {0, service[1], 0},
	} {
		got, there := rows[name]
		switch {
		case !there:
			t.Errorf("the table of connections in docs/heroku.md has no row %s", name)
		case got != want:
			t.Errorf("the table of connections in docs/heroku.md has %v in row %s, want %v", got, name, want)
		}
		for _, n := range got {
			if n > connections {
				t.Errorf("%s needs %d connections of %d", name, n, connections)
			}
		}
	}
}

func plus(a, b [3]int, times int) [3]int {
	for i := range a {
		a[i] += b[i] * times
	}
	return a
}
