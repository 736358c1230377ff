package parts

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"quadrille/test/harness/long"
)

// engine is a server that answers the requests of a Docker client. Its containers are a
// server that runs already.
type engine struct {
	*httptest.Server

	port string // of the server, in every container

	mu    sync.Mutex
	calls []string
}

func newEngine(t *testing.T, port string) *engine {
	t.Helper()
	e := &engine{port: port}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	t.Setenv("DOCKER_HOST", "tcp://"+e.Listener.Addr().String())
	t.Setenv("DOCKER_TLS_VERIFY", "")
	return e
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") { // the API's version
		_, path, _ = strings.Cut(path[1:], "/")
		path = "/" + path
	}
	call := r.Method + " " + path
	e.mu.Lock()
	e.calls = append(e.calls, call)
	e.mu.Unlock()
	w.Header().Set("Api-Version", "1.47")
	w.Header().Set("Content-Type", "application/json")
	type object map[string]any
	var answer any = object{}
	switch {
	case path == "/info":
		answer = object{"ID": "stub", "ServerVersion": "27.0", "OperatingSystem": "stub", "OSType": "linux"}
	case path == "/networks":
		answer = []object{{"Name": "bridge", "Id": "b", "Driver": "bridge"}}
	case strings.HasPrefix(path, "/images/"):
		answer = object{"Id": "sha256:0", "Os": "linux", "Architecture": "amd64"}
	case call == "POST /containers/create":
		w.WriteHeader(http.StatusCreated)
		answer = object{"Id": "c0ffeec0ffeec0ffee", "Warnings": []string{}}
	case call == "GET /containers/c0ffeec0ffeec0ffee/json":
		bindings := []object{{"HostIp": "127.0.0.1", "HostPort": e.port}}
		answer = object{
			"Id": "c0ffeec0ffeec0ffee", "Name": "/stub", "State": object{"Status": "running", "Running": true},
			"Config": object{"ExposedPorts": object{"5432/tcp": object{}}}, "HostConfig": object{"NetworkMode": "bridge"},
			"NetworkSettings": object{"Ports": object{"5432/tcp": bindings}, "Networks": object{}},
		}
	case strings.HasSuffix(path, "/start"), strings.HasSuffix(path, "/stop"), r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) //nolint:errchkjson // the client of the test notices
}

// saw reports whether a client sent a request.
func (e *engine) saw(call string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		if strings.HasPrefix(c, call) {
			return true
		}
	}
	return false
}

func TestFindsTheEngineOfDockerHost(t *testing.T) {
	newEngine(t, "")
	if host, err := dockerHost(t.Context()); err != nil || host != os.Getenv("DOCKER_HOST") {
		t.Errorf("host is %q, %v", host, err)
	}
}

func TestFindsTheEngineOfASocket(t *testing.T) {
	socket := t.TempDir() + "/docker.sock"
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e := &http.Server{Handler: &engine{}}
	go func() { _ = e.Serve(l) }()
	t.Cleanup(func() { _ = e.Close() })
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	if _, err := dockerHost(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFindsNoEngineWhereNothingAnswers(t *testing.T) {
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	for _, host := range []string{"unix://" + t.TempDir() + "/none.sock", strings.Replace(broken.URL, "http", "tcp", 1), "::"} {
		t.Setenv("DOCKER_HOST", host)
		if _, err := dockerHost(t.Context()); !errors.Is(err, errNoDocker) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// The whole way over a stub of the engine: the program is compiled, creates a container,
// waits until its server accepts clients, prints the URL, and removes the container when
// the pipe is closed. Only the long form does it, because it compiles the Docker client.
func TestStartsAContainerUntilTheProcessEnds(t *testing.T) {
	if !long.Full {
		t.Skip("compiles the Docker client: needs -tags long")
	}
	server, err := url.Parse(Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	if server.Hostname() != "127.0.0.1" {
		t.Skip("the stub's containers are a server of this machine")
	}
	e := newEngine(t, server.Port())
	t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	t.Setenv("TEST_POSTGRES_URL", "")
	p := newPart("postgres", "TEST_POSTGRES_URL", "127.0.0.1:1", postgres.at) // nothing listens there
	u := p.url(t)
	if p.url(t) != u {
		t.Error("a second test got another container")
	}
	conn, err := pgx.Connect(t.Context(), u)
	if err != nil {
		t.Fatalf("%s: %v", u, err)
	}
	defer conn.Close(t.Context())
	if e.saw("DELETE /containers/c0ffeec0ffeec0ffee") {
		t.Error("the container was removed before the end")
	}
	c, err := p.container()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if !e.saw("POST /containers/c0ffeec0ffeec0ffee/start") || !e.saw("DELETE /containers/c0ffeec0ffeec0ffee") {
		t.Errorf("requests: %q", e.calls)
	}
}
