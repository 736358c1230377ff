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

// missing lists the entries that the registry or a file lacks for the services with these
// folders, each with the line to add.
func (d deployment) missing(folders, registered []string) (found []string) {
	for _, name := range folders {
		if name != app.Gateway && !slices.Contains(registered, name) {
			found = append(found, fmt.Sprintf("services/%s is not in the registry: add %s.New() as the last line of All in services/registry.go", name, name))
		}
	}
	for n, name := range registered {
		has := func(text, line string) bool {
			return regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(line)).MatchString(text)
		}
		if !slices.Contains(folders, name) {
			found = append(found, fmt.Sprintf("%s is in services/registry.go and has no folder services/%s: give the service the name of its folder", name, name))
		}
		if line := name + ": quadrille serve " + name; !has(d.procfile, line+"\n") {
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

func TestEveryServiceHasItsLines(t *testing.T) {
	for _, line := range readDeployment(t).missing(serviceFolders(t), services.Names()) {
		t.Error(line)
	}
}

// Each missing line is reported with its text and its place.
func TestMissingLinesAreNamed(t *testing.T) {
	d := readDeployment(t)
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
