package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if program, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(program)) // the system clears it otherwise
		}
		os.Exit(code)
	}))
}

// build builds the calculator, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "calculator")
	if err != nil {
		return "", err
	}
	program := filepath.Join(folder, "calculator")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return program, nil
})

func calculatorProgram(t *testing.T) string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// waitLimit limits every wait of a test.
const waitLimit = time.Minute

// process is a program that runs in the background until the test ends.
type process struct {
	*exec.Cmd

	Out   chan string   // lines of its output; closed at its end
	Ended chan struct{} // closed after Out
	Err   error         // what became of it, once it has ended

	errors lockedBuffer
}

// command returns a command with an environment of the test's own. It is killed if it
// runs for too long.
func command(t *testing.T, env []string, argv ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}, env...)
	return cmd
}

func start(t *testing.T, env []string, argv ...string) *process {
	t.Helper()
	p := &process{Cmd: command(t, env, argv...), Out: make(chan string, 100), Ended: make(chan struct{})}
	p.Stderr = &p.errors
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.Out <- lines.Text()
		}
		p.Err = p.Wait()
		close(p.Out)
		close(p.Ended)
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended by itself
		<-p.Ended
	})
	return p
}

// line returns the next line of output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	line, more := <-p.Out
	if !more {
		t.Fatalf("%s ended: %v\n%s", p, p.Err, p.errors.String())
	}
	return line
}

// terminate ends a process as a platform does, and wants it to end well.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.Ended
	if p.Err != nil {
		t.Errorf("%s ended with %v\n%s", p, p.Err, p.errors.String())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%s took %s to end", p, took)
	}
}

// serving starts a server and waits until it says that it serves.
func serving(t *testing.T, env []string, argv ...string) *process {
	t.Helper()
	p := start(t, env, argv...)
	if line := p.line(t); !strings.HasPrefix(line, "serving ") {
		t.Fatalf("%s says %q", p, line)
	}
	return p
}

// output runs a program to its end. err is nil where it ended well.
func output(t *testing.T, env []string, argv ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := command(t, env, argv...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		t.Fatalf("%s: %v\n%s", cmd, err, complaint.String())
	}
	return string(out), complaint.String(), err
}

// lockedBuffer is written by a process while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
