package services_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/ops"
	"quadrille/services"
	"quadrille/services/gateway"
	"quadrille/test/harness"
)

var update = flag.Bool("update", false, "write the table of retention into docs/operations.md")

// defaults returns the configuration of a shop whose environment is empty.
func defaults(t *testing.T) app.Config {
	t.Helper()
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasSuffix(name, "_URL") || strings.HasSuffix(name, "_KEEP") || strings.HasPrefix(name, "JWT_") || name == "DYNO" || name == "HOST" {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("QUADRILLE_DATA", t.TempDir())
	cfg, err := app.FromEnvironment(services.Names())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// all returns the services with the gateway.
func all(t *testing.T, cfg app.Config) []app.Service {
	t.Helper()
	found, err := gateway.InFrontOf(services.All(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// tablesOf returns the tables that a service's migrations create.
func tablesOf(t *testing.T, s app.Service) (names []string) {
	t.Helper()
	conn := dbtest.SQLite(t, s.Name, s.Migrations)
	const query = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'schema\_%' ESCAPE '\'`
	if err := conn.Raw(query).Scan(&names).Error; err != nil {
		t.Fatal(err)
	}
	if len(names) < 6 {
		t.Fatalf("%s has only the tables %q", s.Name, names)
	}
	return names
}

// declared returns the declarations of a service's tables by name.
func declared(t *testing.T, s app.Service) map[string]app.Table {
	t.Helper()
	found := map[string]app.Table{}
	for _, table := range append(s.CommonTables(), s.Tables...) {
		if _, twice := found[table.Name]; twice {
			t.Errorf("%s declares its table %s twice", s.Name, table.Name)
		}
		found[table.Name] = table
	}
	return found
}

// missing returns what is wrong with the declarations of a service, given its tables and tasks.
func missing(service string, tables []string, found map[string]app.Table, tasks []string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, name := range tables {
		table, is := found[name]
		switch {
		case !is:
			say("nothing says what keeps the table %s of %s from growing for ever: declare it in app.Service.Tables, in services/%s/wire.go, with a task that deletes old rows or with the reason why none is needed", name, service, service)
		case (table.Task == "") == (table.Bound == ""):
			say("the table %s of %s needs either Task or Bound", name, service)
		case (table.Task == "") != (table.Age == ""):
			say("the table %s of %s needs Task and Age together", name, service)
		case table.Task != "" && !slices.Contains(tasks, table.Task):
			say("the table %s of %s is left to the task %s, which the service does not have: add it to app.Components.Tasks; the tasks are %q", name, service, table.Task, tasks)
		}
	}
	for name := range found {
		if !slices.Contains(tables, name) {
			say("%s declares the table %s, which its migrations do not create", service, name)
		}
	}
	return wrong
}

// Every table has a task that deletes its old rows, or a reason why it needs none.
func TestEveryTableIsKeptFromGrowing(t *testing.T) {
	cfg := defaults(t)
	shop := harness.Start(t, cfg)
	for _, s := range all(t, cfg) {
		for _, wrong := range missing(s.Name, tablesOf(t, s), declared(t, s), tasksOf(t, shop, s.Name)) {
			t.Error(wrong)
		}
	}
}

// tasksOf returns the tasks of a running service. The gateway offers its own through the public
// API only.
func tasksOf(t *testing.T, shop *harness.Shop, service string) (names []string) {
	t.Helper()
	url := shop.URL(service) + "/tasks"
	if service == app.Gateway {
		url = shop.PublicAPI() + "/ops/services/gateway/tasks"
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := shop.Public(t).HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said ops.Tasks
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, answer.StatusCode, err)
	}
	for _, item := range said.Items {
		names = append(names, item.Name)
	}
	return names
}

// A check that accepts everything proves nothing.
func TestUndeclaredTableIsFound(t *testing.T) {
	tasks := []string{"prune_notes"}
	for name, c := range map[string]struct {
		tables []string
		found  map[string]app.Table
		want   string
	}{
		"undeclared":     {[]string{"notes"}, nil, "declare it"},
		"without a task": {[]string{"notes"}, map[string]app.Table{"notes": {Task: "prune_old", Age: "NOTES_KEEP"}}, "does not have"},
		"without an age": {[]string{"notes"}, map[string]app.Table{"notes": {Task: "prune_notes"}}, "Age"},
		"nothing said":   {[]string{"notes"}, map[string]app.Table{"notes": {}}, "either"},
		"both":           {[]string{"notes"}, map[string]app.Table{"notes": {Task: "prune_notes", Age: "X", Bound: "few"}}, "either"},
		"no such table":  {nil, map[string]app.Table{"notes": {Bound: "few"}}, "do not create"},
	} {
		if got := missing("loyalty", c.tables, c.found, tasks); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	fine := map[string]app.Table{"notes": {Task: "prune_notes", Age: "NOTES_KEEP"}, "kinds": {Bound: "one row per kind"}}
	if got := missing("loyalty", []string{"notes", "kinds"}, fine, tasks); len(got) != 0 {
		t.Errorf("complains about nothing: %q", got)
	}
}

// docs/operations.md has the table of retention, as declared.
func TestRetentionIsDocumented(t *testing.T) {
	const file = "../docs/operations.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)\| service \| table \| old rows are deleted by \| after \|\n.*?\n\n`)
	want := retentionTable(t) + "\n"
	got := block.FindString(string(text))
	if got == want {
		return
	}
	if got == "" || !*update {
		t.Fatalf("the table of retention in %s does not show the declarations. Run go test ./services -run Documented -update, or write\n%s", file, want)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), got, want, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// retentionTable returns the declarations of all services as a table in Markdown.
func retentionTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| service | table | old rows are deleted by | after |\n|---|---|---|---|\n")
	row := func(service string, table app.Table) {
		if table.Task == "" {
			fmt.Fprintf(&b, "| %s | `%s` | nothing | %s |\n", service, table.Name, table.Bound)
			return
		}
		age := table.Age
		if regexp.MustCompile(`^[A-Z_]+$`).MatchString(age) {
			if !strings.Contains(string(text), "\n| `"+age+"` |") {
				t.Errorf("the table %s of %s is kept for %s, which is no variable in docs/operations.md", table.Name, service, age)
			}
			age = "`" + age + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | `%s` | %s |\n", service, table.Name, table.Task, age)
	}
	for _, table := range (app.Service{}).CommonTables() {
		row("each", table)
	}
	for _, s := range all(t, defaults(t)) {
		tables := slices.Clone(s.Tables)
		slices.SortFunc(tables, func(a, b app.Table) int { return cmp.Compare(a.Name, b.Name) })
		for _, table := range tables {
			row(s.Name, table)
		}
	}
	return b.String()
}
