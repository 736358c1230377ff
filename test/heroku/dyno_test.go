package heroku_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"quadrille/test/harness/binary"
)

// dyno is one process in a network namespace of its own.
type dyno struct {
	name    string // as Heroku calls it: catalog.1
	kind    string // process type
	within  *namespace
	address string
	output  *binary.Buffer
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	code    int           // its exit code, or less than 0 where a signal ended it; when it has ended
	seen    *observation
}

// nobody is the user ID of a dyno's process, which may write nowhere.
const nobody = 65534

// startDyno starts a command line in a dyno of its own.
func startDyno(t *testing.T, w *network, name, line, folder string, env []string) *dyno {
	t.Helper()
	kind, _, _ := strings.Cut(name, ".")
	d := &dyno{name: name, kind: kind, output: &binary.Buffer{}, ended: make(chan struct{})}
	d.within, d.address = w.connect()
	cmd := exec.Command("/bin/sh", "-c", "exec "+line)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, d.output, d.output
	cmd.Env = append([]string{"DYNO=" + name, "HOME=" + folder}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, Pdeathsig: syscall.SIGKILL, // with the namespace's thread, which ends with this process at the latest
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody},
	}
	var err error
	d.within.do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	d.process = cmd.Process
	d.seen = observe(d)
	go func() {
		defer close(d.ended)
		_ = cmd.Wait() // its state says how it ended
		d.code = cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(d.kill)
	return d
}

// kill ends the process at once, kill -9, and waits for that.
func (d *dyno) kill() {
	_ = d.process.Kill() // it may have ended
	<-d.ended
}

// stopWithin limits the time from SIGTERM to the exit. Heroku allows 30 s; we promise less.
const stopWithin = 10 * time.Second

// stop asks the process to end, and reports where it does not do so well.
func (d *dyno) stop() error {
	d.seen.end()
	if err := d.process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: SIGTERM: %w", d.name, err)
	}
	select {
	case <-d.ended:
	case <-time.After(stopWithin):
		return fmt.Errorf("%s runs on %s after SIGTERM", d.name, stopWithin)
	}
	if d.code != 0 {
		return fmt.Errorf("%s ended with %d after SIGTERM", d.name, d.code)
	}
	return nil
}

// said returns the end of the process's output.
func (d *dyno) said() string {
	text := d.output.String()
	return fmt.Sprintf("--- %s\n%s", d.name, text[max(0, len(text)-2500):])
}

func (d *dyno) at(port string) string { return net.JoinHostPort(d.address, port) }
