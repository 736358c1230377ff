package quadrille_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// deployment is the text of the files that have a line for each service.
type deployment struct{ procfile, compose string }

func readDeployment(t *testing.T) (d deployment) {
	t.Helper()
	procfile, err := os.ReadFile("Procfile")
	if err != nil {
		t.Fatal(err)
	}
	return deployment{string(procfile), composeText(t)}
}

// completeDeployment returns the deployment for tests that remove something. It skips the test
// if something is missing already.
func completeDeployment(t *testing.T) deployment {
	t.Helper()
	d := readDeployment(t)
	if len(d.missing(serviceFolders(t), services.Names())) > 0 {
		t.Skip("lines are missing, which TestEveryServiceHasItsLines reports: add them first")
	}
	return d
}

// missing lists the entries that the registry or a file lacks for the services with these
// folders, each with the line to add.
func (d deployment) missing(folders, registered []string) (found []string) {
	for _, name := range folders {
		if name != app.Gateway && !slices.Contains(registered, name) {
			found = append(found, fmt.Sprintf("services/%s is not in the registry: add %s.New() as the last line of All in services/registry.go", name, name))
		}
	}
	var processes []string
	for line := range strings.Lines(d.procfile) {
		processes = append(processes, strings.TrimSpace(line))
	}
	for n, name := range registered {
		has := func(text, line string) bool {
			return regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(line)).MatchString(text)
		}
		if !slices.Contains(folders, name) {
			found = append(found, fmt.Sprintf("%s is in services/registry.go and has no folder services/%s: give the service the name of its folder", name, name))
		}
		if line := name + ": quadrille serve " + name; !slices.Contains(processes, line) {
			found = append(found, fmt.Sprintf("services/%s has no line in Procfile: add %q", name, line))
		}
		if !has(d.compose, name+":") {
			line := fmt.Sprintf("%s: { <<: *service, command: [serve, %s], healthcheck: { <<: *healthcheck, test: [CMD, /quadrille, healthy, %s] } }", name, name, name)
			found = append(found, fmt.Sprintf("services/%s has no container in docker-compose.yml: add \"  %s\" to services", name, line))
		}
		if variable := strings.ToUpper(name) + "_URL: "; !has(d.compose, variable) {
			found = append(found, fmt.Sprintf("services/%s has no URL in docker-compose.yml: add \"    %shttp://%s:%d\" to the environment of x-service", name, variable, name, app.Config{Port: 8080, Services: registered}.PortOf(registered[n])))
		}
	}
	return found
}

// surplus lists the lines of the Procfile that are repeated, malformed, or start a service that
// does not exist, each with what to do.
func (d deployment) surplus(registered []string) (found []string) {
	lines := map[string]int{}
	n := 0
	for line := range strings.Lines(d.procfile) {
		n++
		line = strings.TrimSpace(line)
		name, command, isProcess := strings.Cut(line, ":")
		service, serves := strings.CutPrefix(strings.TrimSpace(command), "quadrille serve ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case !isProcess || !processName.MatchString(name):
			found = append(found, fmt.Sprintf("Procfile:%d: %q is not a process such as sales: quadrille serve sales", n, line))
		case lines[name] > 0:
			found = append(found, fmt.Sprintf("Procfile:%d: the process %s is already in line %d: remove one of the two", n, name, lines[name]))
		case serves && service != app.Gateway && !slices.Contains(registered, service):
			found = append(found, fmt.Sprintf("Procfile:%d: there is no service %q: correct the line, remove it, or add the service to All in services/registry.go", n, service))
		}
		lines[name] = n
	}
	return found
}

// processName matches the names of processes that Heroku accepts.
var processName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

func TestEveryServiceHasItsLines(t *testing.T) {
	if err := app.CheckServices(services.All()); err != nil {
		t.Errorf("services/registry.go: %v", err)
	}
	d := readDeployment(t)
	for _, line := range append(d.missing(serviceFolders(t), services.Names()), d.surplus(services.Names())...) {
		t.Error(line)
	}
}

// Each line too many is reported with its number.
func TestSurplusLinesAreNamed(t *testing.T) {
	d := deployment{procfile: "# x\nrelease: quadrille migrate\nweb: quadrille serve gateway\nsales: quadrille serve sales\nsales: quadrille serve stats\n\n" +
		"points: quadrille serve points\nquadrille serve stats\n stock:quadrille serve stock"}
	got := d.surplus([]string{"sales", "stats"})
	want := []string{
		"Procfile:5: the process sales is already in line 4: remove one of the two",
		`Procfile:7: there is no service "points": correct the line, remove it, or add the service to All in services/registry.go`,
		`Procfile:8: "quadrille serve stats" is not a process such as sales: quadrille serve sales`,
		`Procfile:9: there is no service "stock": correct the line, remove it, or add the service to All in services/registry.go`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The last line of a file needs no line break, and one of Windows is accepted.
func TestLinesAreFoundWithoutALineBreak(t *testing.T) {
	d := completeDeployment(t)
	for _, procfile := range []string{strings.TrimSuffix(d.procfile, "\n"), strings.ReplaceAll(d.procfile, "\n", "\r\n")} {
		d.procfile = procfile
		for _, line := range append(d.missing(serviceFolders(t), services.Names()), d.surplus(services.Names())...) {
			t.Error(line)
		}
	}
}

// Each missing line is reported with its text and its place.
func TestMissingLinesAreNamed(t *testing.T) {
	d := completeDeployment(t)
	folders, names := append(serviceFolders(t), "albums"), append(services.Names(), "albums")
	got := append(d.missing(folders, services.Names()), d.missing(folders, names)...)
	want := []string{
		`services/albums is not in the registry: add albums.New() as the last line of All in services/registry.go`,
		`services/albums has no line in Procfile: add "albums: quadrille serve albums"`,
		`services/albums has no container in docker-compose.yml: add "  albums: { <<: *service, command: [serve, albums], healthcheck: { <<: *healthcheck, test: [CMD, /quadrille, healthy, albums] } }" to services`,
		fmt.Sprintf(`services/albums has no URL in docker-compose.yml: add "    ALBUMS_URL: http://albums:%d" to the environment of x-service`, 8080+len(names)),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := d.missing(serviceFolders(t), names); !slices.Contains(got, "albums is in services/registry.go and has no folder services/albums: give the service the name of its folder") {
		t.Errorf("got %q", got)
	}
}
