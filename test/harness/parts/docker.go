package parts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var errNoDocker = errors.New("no Docker engine answers")

// dockerHost returns the address of a Docker engine that answers, in the form of
// DOCKER_HOST: that of the variable, or the socket of an engine of this machine.
func dockerHost(ctx context.Context) (string, error) {
	hosts := []string{os.Getenv("DOCKER_HOST")}
	if hosts[0] == "" {
		home, _ := os.UserHomeDir()
		hosts = []string{
			"unix:///var/run/docker.sock",
			"unix://" + filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "docker.sock"),
			"unix://" + filepath.Join(home, ".docker/run/docker.sock"),
		}
	}
	for _, host := range hosts {
		if dockerAnswers(ctx, host) {
			return host, nil
		}
	}
	return "", fmt.Errorf("%w at %s", errNoDocker, strings.Join(hosts, ", "))
}

// dockerAnswers reports whether a Docker engine answers at an address. An address with TLS
// is left to the client of testcontainers and counts as an answer.
func dockerAnswers(ctx context.Context, host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	if os.Getenv("DOCKER_TLS_VERIFY") != "" || u.Scheme == "https" {
		return true
	}
	network, address := "tcp", u.Host
	if u.Scheme == "unix" {
		network, address = "unix", u.Path
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return false
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// started is a container and the program that removes it.
type started struct {
	url     string
	program *exec.Cmd
	in      io.Closer
}

// stop removes the container.
func (s *started) stop() error {
	return errors.Join(s.in.Close(), s.program.Wait())
}

// startContainer starts a server in Docker and waits until it accepts clients. A separate program does it
// (package container), so that tests do not compile the Docker client. The program removes
// the container when its standard input ends, which is when this process ends, however it
// ends. The caller keeps the result until then: the pipe is closed when it is garbage.
func startContainer(name string) (*started, error) {
	host, err := dockerHost(context.Background())
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", "-tags", "docker", "quadrille/test/harness/parts/container", name) //nolint:noctx // it lives as long as this process
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	if os.Getenv("TESTCONTAINERS_SESSION_ID") == "" { // one reaper for all of `go test`
		cmd.Env = append(cmd.Env, "TESTCONTAINERS_SESSION_ID=quadrille-"+strconv.Itoa(os.Getppid()))
	}
	// A file and no buffer: copying into a buffer takes a goroutine, which tests would
	// find leaked. The output of the test is no choice: `go test` waits for its end.
	said, err := os.CreateTemp("", "quadrille-container")
	if err != nil {
		return nil, err
	}
	defer said.Close()
	defer os.Remove(said.Name())
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("start %s in Docker at %s: %w\n%s", name, host, err, text)
	}
	return &started{url: strings.TrimSpace(line), program: cmd, in: in}, nil
}
