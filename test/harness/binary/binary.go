// Package binary builds the program and runs it as processes: what a test does
// that kills them, or starts several.
package binary

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// build builds the program, once for all tests of a process.
var build = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "quadrille")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(folder, 0o755); err != nil { // tests run it as other users, too
		return "", err
	}
	program := filepath.Join(folder, "quadrille")
	cmd := exec.Command("go", "build", "-o", program, "quadrille/cmd/quadrille") //nolint:noctx // it serves all tests
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return program, nil
})

// Program returns the path of the program, which every user of the machine may run.
func Program(t testing.TB) string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// Machine is a machine of a test's own, as far as the program can tell: a data
// folder, ports, an environment.
type Machine struct {
	t       testing.TB
	program string
	Port    int    // the gateway's
	Data    string // folder of what is embedded
	Env     []string
}

// New makes a machine; env is added to what it needs by itself.
func New(t testing.TB, env ...string) *Machine {
	t.Helper()
	m := &Machine{t: t, program: Program(t), Port: freePorts(t), Data: t.TempDir()}
	m.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "QUADRILLE_DATA=" + m.Data, "PORT=" + strconv.Itoa(m.Port),
	}, env...)
	return m
}

var nextPort atomic.Int64

// freePorts finds a free port that is followed by one for each service. Nobody is
// given the same one twice.
func freePorts(t testing.TB) int {
	t.Helper()
search:
	for range 1000 {
		port := 20000 + os.Getpid()%100*100 + int(nextPort.Add(10))
		for n := range len(services.Names()) + 1 {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port+n))
			if err != nil {
				continue search
			}
			defer l.Close()
		}
		return port
	}
	t.Fatal("no free ports")
	return 0
}

// URL returns the base URL of a service of this machine.
func (m *Machine) URL(service string) string {
	return "http://127.0.0.1:" + strconv.Itoa(app.Config{Port: m.Port, Services: services.Names()}.PortOf(service))
}

// Command returns a command of the program, not started yet. It ends with the test.
func (m *Machine) Command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), m.program, args...)
	cmd.Env = m.Env
	return cmd
}

// Run runs a command to its end and returns what it printed.
func (m *Machine) Run(args ...string) (string, error) {
	m.t.Helper()
	out, err := m.Command(args...).CombinedOutput()
	return string(out), err
}

// Process is a command that runs in the background.
type Process struct {
	*exec.Cmd

	Output *Buffer
}

// Start starts a command in the background until the test, or Kill, ends it. env
// is added to the machine's.
func (m *Machine) Start(env []string, args ...string) *Process {
	m.t.Helper()
	p := &Process{Cmd: m.Command(args...), Output: &Buffer{}}
	p.Env = append(append([]string(nil), m.Env...), env...)
	p.Stdout, p.Stderr = p.Output, p.Output
	if err := p.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(p.Kill)
	return p
}

// Kill ends the process at once, kill -9, and waits for its end.
func (p *Process) Kill() {
	_ = p.Process.Kill() // it may have ended by itself
	_ = p.Wait()
}

// Ready reports why a service of this machine is not ready; nil means it is.
func (m *Machine) Ready(ctx context.Context, service string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL(service)+"/readyz", nil)
	if err != nil {
		return err
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", service, answer.StatusCode)
	}
	return nil
}

// Buffer is output that is read while it is written.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *Buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns everything written so far.
func (s *Buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
