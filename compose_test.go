package quadrille_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// composition holds the parts of docker-compose.yml that the tests check.
type composition struct {
	Services map[string]container
	Volumes  map[string]any
	Configs  map[string]any
}

type container struct {
	Image       string
	Build       string
	Name        string `yaml:"container_name"`
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Configs     []struct{ Source string }
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
	User        string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Restart     string
	StopWithin  time.Duration `yaml:"stop_grace_period"`
	Logging     struct{ Options map[string]string }
}

// ours tells the containers of the shop from those of the parts it stands on.
func (c container) ours() bool { return strings.HasPrefix(c.Image, "quadrille:") }

// oneShot reports whether the container runs to completion.
func (c container) oneShot() bool { return c.Restart == "no" }

// interpolated is a variable of the caller's environment, with its default.
var interpolated = regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`)

func composeText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readComposition parses docker-compose.yml as it is where nothing is set.
func readComposition(t *testing.T) composition {
	t.Helper()
	var c composition
	if err := yaml.Unmarshal([]byte(interpolated.ReplaceAllString(composeText(t), "$2")), &c); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return c
}

// process types of the Procfile, as compose calls them: release is migrate.
func processTypes(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("Procfile")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		name, command, found := strings.Cut(line, ":")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		if name == "release" {
			name = "migrate"
		}
		types[name] = strings.Fields(command)
	}
	if len(types) < len(services.Names()) {
		t.Fatalf("the Procfile has only %v", types)
	}
	return types
}

// wanted holds the deployment that the code requires.
type wanted struct {
	processes map[string][]string // command lines by process type
	variables []string            // that are read
	config    app.Config          // as it is without any setting
}

func want(t *testing.T) wanted {
	t.Helper()
	w := wanted{processes: processTypes(t), config: app.Config{Port: 8080, Services: services.Names()}}
	for field := range reflect.TypeFor[app.Config]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("env"), ","); name != "" && name != "-" {
			w.variables = append(w.variables, name)
		}
	}
	for _, service := range services.Names() {
		upper := strings.ToUpper(service)
		w.variables = append(w.variables, upper+"_URL", upper+"_DATABASE_URL")
	}
	return w
}

// findings returns all faults of a composition.
func (w wanted) findings(c composition) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[name]
		checks := []func(composition, container) []string{pinned, ordered, tested, stored, published, lasting}
		if s.ours() {
			checks = append(checks, w.isProcess(name), w.knowsVariables, w.reaches, w.asksItself, prepared, confined, w.copyable)
		}
		for _, check := range checks {
			for _, f := range check(c, s) {
				found = append(found, name+": "+f)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.processes)) {
		if _, exists := c.Services[name]; !exists {
			found = append(found, name+": is in the Procfile and has no container: add one, or remove the line of the Procfile")
		}
	}
	return append(found, unused(c)...)
}

// pinned: a tag that says which version, so that two machines run the same.
func pinned(_ composition, s container) []string {
	_, tag, _ := strings.Cut(s.Image, ":")
	if tag == "" || tag == "latest" {
		return []string{"image " + s.Image + " is not pinned to a tag"}
	}
	return nil
}

// ordered: what is waited for exists, and can be waited for.
func ordered(c composition, s container) (found []string) {
	for target, on := range s.DependsOn {
		other, exists := c.Services[target]
		switch {
		case !exists:
			found = append(found, "depends on "+target+", which does not exist")
		case on.Condition == "service_healthy" && len(other.Healthcheck.Test) == 0:
			found = append(found, "waits for the health of "+target+", which is never checked")
		case on.Condition == "service_completed_successfully" && !other.oneShot():
			found = append(found, "waits for the end of "+target+", which does not end")
		case on.Condition != "service_healthy" && on.Condition != "service_completed_successfully":
			found = append(found, "depends on "+target+" in no condition that says it works")
		}
	}
	return found
}

// prepared: nothing of ours runs on tables of another version.
func prepared(_ composition, s container) []string {
	if s.oneShot() || s.DependsOn["migrate"].Condition == "service_completed_successfully" {
		return nil
	}
	return []string{"starts before migrate has ended"}
}

func tested(_ composition, s container) []string {
	if len(s.Healthcheck.Test) == 0 && !s.oneShot() {
		return []string{"has no health check"}
	}
	return nil
}

// lasting: it comes back, has the time to stop, and does not fill the disk.
func lasting(_ composition, s container) (found []string) {
	if s.Restart != "unless-stopped" && !s.oneShot() {
		found = append(found, "is not started again")
	}
	if s.StopWithin < 10*time.Second {
		found = append(found, "is killed after "+s.StopWithin.String())
	}
	if s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
		found = append(found, "has a log without limits")
	}
	return found
}

// stored: data is in volumes with a name, and nothing of the host is mounted.
func stored(c composition, s container) (found []string) {
	for _, mount := range s.Volumes {
		volume, _, _ := strings.Cut(mount, ":")
		if _, declared := c.Volumes[volume]; !declared {
			found = append(found, "volume "+volume+" is not declared")
		}
	}
	for _, config := range s.Configs {
		if _, declared := c.Configs[config.Source]; !declared {
			found = append(found, "config "+config.Source+" is not declared")
		}
	}
	return found
}

// unused returns the volumes that no container mounts.
func unused(c composition) (found []string) {
	for volume := range c.Volumes {
		used := slices.ContainsFunc(slices.Collect(maps.Values(c.Services)), func(s container) bool {
			return slices.ContainsFunc(s.Volumes, func(mount string) bool { return strings.HasPrefix(mount, volume+":") })
		})
		if !used {
			found = append(found, "volume "+volume+" is used by nobody")
		}
	}
	return found
}

// published: the gateway, and the pages of broker and mail catcher, on this machine
// alone. Internal APIs trust their network.
func published(_ composition, s container) (found []string) {
	pages := map[string]bool{"quadrille:8080": true, "rabbitmq:15672": true, "axllent/mailpit:8025": true}
	for _, port := range s.Ports {
		parts := strings.Split(port, ":")
		image, _, _ := strings.Cut(s.Image, ":")
		inside := parts[len(parts)-1]
		if !pages[image+":"+inside] || s.ours() && !slices.Equal(s.Command, []string{"serve", app.Gateway}) {
			found = append(found, "publishes port "+inside)
		}
		if len(parts) != 3 || parts[0] != "127.0.0.1" {
			found = append(found, "publishes port "+inside+" on more than 127.0.0.1")
		}
	}
	return found
}

// isProcess: the same command as the process type of that name.
func (w wanted) isProcess(name string) func(composition, container) []string {
	return func(_ composition, s container) []string {
		line, exists := w.processes[name]
		switch {
		case !exists:
			return []string{"is not in the Procfile: " + processLine(name, s.Command)}
		case !slices.Equal(append([]string{"quadrille"}, s.Command...), line):
			return []string{fmt.Sprintf("runs %v, and the Procfile %v", s.Command, line)}
		default:
			return nil
		}
	}
}

// processLine says which line of the Procfile starts a container's command.
func processLine(name string, command []string) string {
	if name == "migrate" {
		name = "release"
	}
	return fmt.Sprintf("add %q, or remove the container", name+": quadrille "+strings.Join(command, " "))
}

func (w wanted) knowsVariables(_ composition, s container) (found []string) {
	for name := range s.Environment {
		if !slices.Contains(w.variables, name) {
			found = append(found, "sets "+name+", which nobody reads")
		}
	}
	for _, name := range []string{"INTERNAL_TOKEN", "DATABASE_URL", "AMQP_URL"} {
		if s.Environment[name] == "" {
			found = append(found, "is not told "+name)
		}
	}
	if s.Environment["HOST"] != "0.0.0.0" || s.Environment["PORT"] != strconv.Itoa(w.config.Port) {
		found = append(found, "does not listen where the others look")
	}
	return found
}

// reaches: every URL leads to a container, at the port it listens on.
func (w wanted) reaches(c composition, s container) (found []string) {
	ports := map[string]string{"postgres": "5432", "amqp": "5672", "redis": "6379"}
	for name, value := range s.Environment {
		if !strings.HasSuffix(name, "_URL") || name == "JWKS_URL" { // which is the issuer's, elsewhere
			continue
		}
		u, err := url.Parse(value)
		if err != nil {
			found = append(found, name+" is no URL")
			continue
		}
		port := ports[u.Scheme]
		if u.Scheme == "http" {
			port = strconv.Itoa(w.config.PortOf(serves(c.Services[u.Hostname()])))
		}
		if _, exists := c.Services[u.Hostname()]; !exists {
			found = append(found, name+" leads to "+u.Hostname()+", which does not exist")
		} else if port != u.Port() {
			found = append(found, name+" leads to port "+u.Port()+" and not "+port)
		}
		if u.Scheme == "http" && name != strings.ToUpper(serves(c.Services[u.Hostname()]))+"_URL" {
			found = append(found, name+" leads to another service")
		}
	}
	for _, service := range services.Names() {
		if name := strings.ToUpper(service) + "_URL"; s.Environment[name] == "" {
			found = append(found, "is not told "+name)
		}
	}
	return found
}

// serves returns the service that a container runs.
func serves(s container) string {
	if len(s.Command) == 2 && s.Command[0] == "serve" {
		return s.Command[1]
	}
	return ""
}

// asksItself: the health of a container is that of the service in it.
func (w wanted) asksItself(_ composition, s container) []string {
	if s.oneShot() || slices.Equal(s.Healthcheck.Test, []string{"CMD", "/quadrille", "healthy", serves(s)}) {
		return nil
	}
	return []string{fmt.Sprintf("asks for its health by %v", s.Healthcheck.Test)}
}

// confined: whoever gets into the process has nothing to go on with.
func confined(_ composition, s container) (found []string) {
	if uid, _, _ := strings.Cut(s.User, ":"); uid == "" || uid == "0" || uid == "root" {
		found = append(found, "runs as root")
	}
	if !s.ReadOnly {
		found = append(found, "can write to its image")
	}
	if !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		found = append(found, "keeps privileges")
	}
	return found
}

// copyable: only the gateway's port is taken once on the host, so that any other
// service can run twice.
func (w wanted) copyable(_ composition, s container) []string {
	if s.Name != "" {
		return []string{"has a fixed name and cannot be scaled"}
	}
	return nil
}

func TestComposeFitsTheCode(t *testing.T) {
	containers := map[string][]string{} // by finding, because most of the environment is common
	for _, f := range want(t).findings(readComposition(t)) {
		name, finding, _ := strings.Cut(f, ": ")
		containers[finding] = append(containers[finding], name)
	}
	for _, finding := range slices.Sorted(maps.Keys(containers)) {
		t.Errorf("docker-compose.yml: %s: %s", strings.Join(containers[finding], ", "), finding)
	}
}

// Compose runs versions that the suites have run on, those of the table in docs/operations.md.
func TestComposeRunsTestedVersions(t *testing.T) {
	text, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for image, server := range map[string]string{"postgres": "PostgreSQL", "rabbitmq": "RabbitMQ", "redis": "Redis"} {
		m := regexp.MustCompile(`image: ` + image + `:([0-9.]+)`).FindStringSubmatch(composeText(t))
		if m == nil {
			t.Errorf("docker-compose.yml has no image %s with a version", image)
			continue
		}
		row := regexp.MustCompile(`(?m)^\| ` + server + ` \| ` + regexp.QuoteMeta(m[1]) + `(\.[0-9]+)* `)
		if !row.Match(text) {
			t.Errorf("docker-compose.yml uses %s %s, and docs/operations.md has no test of it", server, m[1])
		}
	}
}

// A variable that is not written down is not there for whoever deploys.
func TestComposeVariablesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/compose.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range interpolated.FindAllStringSubmatch(composeText(t), -1) {
		row := "| `" + m[1] + "` | `" + m[2] + "` |"
		if m[2] == "" {
			row = "| `" + m[1] + "` | |"
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/compose.md does not have %s with its default %s", m[1], m[2])
		}
	}
	if strings.Count(composeText(t), "${") != len(interpolated.FindAllString(composeText(t), -1)) {
		t.Error("a variable has no default: docker compose up would not simply work")
	}
}

// What Compose itself makes of the file, where it is installed. That needs no engine.
func TestComposeReadsIt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "compose", "version").CombinedOutput(); err != nil {
		said, _, _ := strings.Cut(string(out), "\n")
		t.Skipf("docker compose is not installed here: %s (%v)", said, err)
	}
	if out, err := exec.CommandContext(ctx, "docker", "compose", "config", "-q").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("docker compose config: %v\n%s", err, out)
	}
}
