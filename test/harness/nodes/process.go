package nodes

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// process is one server and its children, so that all of them can be killed
// together and nothing else is.
type process struct {
	name    string
	command func() *exec.Cmd
	ready   func(ctx context.Context) error

	pid   int
	ended chan struct{} // closed when it has been waited for
}

// startWithin bounds how long a server may take to answer, or to end. A RabbitMQ node takes
// 4 s on an idle machine, and minutes on one that runs other tests and compilers.
const startWithin = 5 * time.Minute

// Start starts the server and waits until it answers.
func (p *process) Start() error {
	if err := p.launch(p.command()); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended while it started: %w", p.name, err)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.name, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// launch puts the server into a group of its own, and has the kernel end it with
// this process, however that ends. The kernel means the thread that forked: so one
// thread stays with the server until it has ended.
func (p *process) launch(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended does not matter
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.pid, p.ended = cmd.Process.Pid, ended
	return nil
}

// Kill kills the server and all below it at once, kill -9, and waits for the end.
func (p *process) Kill() error {
	if p.over() {
		return nil
	}
	below := killFamily(p.pid)
	for deadline := time.Now().Add(startWithin); ; <-time.After(time.Millisecond) {
		if p.over() && !slices.ContainsFunc(below, alive) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s outlives kill -9", p.name)
		}
	}
}

// over tells that there is no process: its id may be somebody else's by now.
func (p *process) over() bool {
	if p.ended == nil {
		return true // it was never started
	}
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// stop asks the server to end, and waits for that.
func (p *process) stop(s syscall.Signal) error {
	if p.over() {
		return nil
	}
	if err := syscall.Kill(p.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(startWithin):
		return fmt.Errorf("%s did not end", p.name)
	}
}
