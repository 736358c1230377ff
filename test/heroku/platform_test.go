package heroku_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quadrille/test/harness/binary"
	"quadrille/test/harness/identity"
	"quadrille/test/harness/parts"
)

// platform runs an app as Heroku does.
type platform struct {
	t       *testing.T
	network *network
	lines   map[string]string // Procfile, by process type
	config  map[string]string // config vars
	slug    string            // folder in which every dyno begins, with nothing in it
	path    string            // folder of the program

	releases int // so far

	mu      sync.Mutex
	running map[string]*dyno // by name
	ever    []*dyno
}

// webPort is the PORT of the web process.
const webPort = "5000"

// newPlatform has the app with its add-ons; nothing runs yet.
func newPlatform(t *testing.T, m manifest) *platform {
	t.Helper()
	parts.Netns(t)
	w := newNetwork(t)
	p := &platform{
		t: t, network: w, lines: m.lines, config: m.config(), running: map[string]*dyno{},
		slug: emptyFolder(t), path: filepath.Dir(binary.Program(t)),
	}
	maps.Copy(p.config, provision(t, w, m.plans()))
	for _, variable := range identity.Env() {
		name, value, _ := strings.Cut(variable, "=")
		p.config[name] = value
	}
	trusted := filepath.Join(emptyFolder(t), "certificates.pem")
	must(t, os.WriteFile(trusted, w.trusted, 0o444))
	p.config["SSL_CERT_FILE"] = trusted // stands for the certificates of the stack
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.said())
		}
	})
	return p
}

// emptyFolder creates a folder that everybody can read and only root can write.
func emptyFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "quadrille-slug") //nolint:usetesting // only its owner may look into that of the test
	must(t, err)
	must(t, os.Chmod(folder, 0o555))
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// start starts a dyno of a process type.
func (p *platform) start(name string) *dyno {
	p.t.Helper()
	kind, _, _ := strings.Cut(name, ".")
	return p.run(name, p.lines[kind])
}

// run starts a command line in a dyno. web alone is told a port.
func (p *platform) run(name, line string) *dyno {
	p.t.Helper()
	env := []string{"PATH=" + p.path + ":/usr/bin:/bin"}
	for variable, value := range p.config {
		env = append(env, variable+"="+value)
	}
	if strings.HasPrefix(name, "web.") {
		env = append(env, "PORT="+webPort)
	}
	d := startDyno(p.t, p.network, name, line, p.slug, env)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[name] = d
	p.ever = append(p.ever, d)
	return d
}

// once runs a command line in a one-off dyno to its end, and returns what it wrote.
func (p *platform) once(name, line string, within time.Duration) string {
	p.t.Helper()
	d := p.run(name, line)
	defer p.forget(d)
	select {
	case <-d.ended:
	case <-time.After(within):
		p.t.Fatalf("%s did not end within %s: %s", name, within, d.said())
	}
	if d.code != 0 {
		p.t.Fatalf("%s ended with %d: %s", name, d.code, d.said())
	}
	return d.output.String()
}

func (p *platform) forget(d *dyno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[d.name] == d {
		delete(p.running, d.name)
	}
}

// scale starts or stops dynos until there are so many of a process type.
func (p *platform) scale(kind string, quantity int) {
	p.t.Helper()
	have := p.of(kind)
	for n := len(have); n < quantity; n++ {
		p.start(fmt.Sprintf("%s.%d", kind, n+1))
	}
	if quantity < len(have) {
		p.stop(have[quantity:])
	}
}

// stop ends dynos, all at once, and each as it should end.
func (p *platform) stop(dynos []*dyno) {
	p.t.Helper()
	errs := make([]error, len(dynos))
	var stopping sync.WaitGroup
	for i, d := range dynos {
		stopping.Go(func() { errs[i] = d.stop() })
	}
	stopping.Wait()
	for _, d := range dynos {
		p.forget(d)
	}
	if err := errors.Join(errs...); err != nil {
		p.t.Error(err)
	}
}

// release prepares a release, in a dyno of its own.
func (p *platform) release() {
	p.t.Helper()
	p.releases++
	p.once(fmt.Sprintf("%s.%d", release, p.releases), p.lines[release], waitLimit)
}

// deploy prepares a release beside the old dynos, begins new ones, and tells the old
// ones to end only when the add-ons let nobody in any more: it is worse than Heroku's,
// which does not wait.
func (p *platform) deploy(t *testing.T) {
	t.Helper()
	p.release()
	old := p.all()
	for _, d := range old {
		p.start(d.name)
	}
	for _, refusal := range []string{"connection limit", "too many connections"} {
		eventually(t, "an add-on refuses more: "+refusal, func(context.Context) error {
			if !slices.ContainsFunc(p.all(), func(d *dyno) bool { return strings.Contains(d.output.String(), refusal) }) {
				return errNotYet
			}
			return nil
		})
	}
	p.stop(old)
}

// crash kills a dyno with kill -9; Heroku starts it again.
func (p *platform) crash(d *dyno) *dyno {
	p.t.Helper()
	d.kill()
	return p.start(d.name)
}

// all returns the running dynos in the order of their names.
func (p *platform) all() (dynos []*dyno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(p.running)) {
		dynos = append(dynos, p.running[name])
	}
	return dynos
}

func (p *platform) of(kind string) []*dyno {
	return slices.DeleteFunc(p.all(), func(d *dyno) bool { return d.kind != kind })
}

// said returns the end of the output of each dyno.
func (p *platform) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var said []string
	for _, d := range p.ever {
		said = append(said, d.said())
	}
	return strings.Join(said, "\n")
}
