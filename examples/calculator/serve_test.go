package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// It serves by what the environment names, and by nothing else.
func TestServeSomeTransports(t *testing.T) {
	for _, by := range [][]string{
		{"redis"}, {"rabbitmq"}, {"http"}, {"redis", "rabbitmq"}, {"redis", "http"}, {"rabbitmq", "http"}, {"redis", "rabbitmq", "http"},
	} {
		t.Run(strings.Join(by, " and "), func(t *testing.T) {
			t.Parallel()
			name, env := environment(t, by...)
			p := start(t, env, calculatorProgram(t), "serve")
			var said, want []string
			for i, transport := range by {
				said = append(said, p.line(t))
				want = append(want, map[string]string{
					"redis": "serving the Redis list " + name, "rabbitmq": "serving the RabbitMQ queue " + name,
					"http": "serving POST /" + name + " on port " + strings.TrimPrefix(env[i+1], "PORT="),
				}[transport])
			}
			for i := range by {
				if got, complaint, err := output(t, []string{env[0], env[i+1]}, calculatorProgram(t), "add", "1", "5.1"); err != nil || got != "6.1\n" {
					t.Errorf("by %s: %q, %v, %s", by[i], got, err, complaint)
				}
			}
			p.terminate(t)
			for line := range p.Out {
				said = append(said, line)
			}
			if slices.Sort(said); !slices.Equal(said, slices.Sorted(slices.Values(want))) {
				t.Errorf("it says %q, want %q", said, want)
			}
			if complaints := p.errors.String(); complaints != "" {
				t.Errorf("it complains: %s", complaints)
			}
		})
	}
}

// What cannot work is said at once, whatever else would work, and without passwords.
func TestServeRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for variable, want := range map[string]string{
		"":                               "set REDIS_URL, AMQP_URL or PORT",
		"REDIS_URL=http://u:secret@h/":   "REDIS_URL is no Redis URL",
		"REDIS_URL=redis://u:secret@h:x": "REDIS_URL is no Redis URL",
		"AMQP_URL=http://u:secret@h/":    "AMQP_URL: URL 1 of 1 is not an AMQP URL",
		"PORT=" + port:                   "PORT: listen tcp :" + port,
		"PORT=secret":                    "PORT: ",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			var env []string
			if strings.HasPrefix(variable, "PORT=") {
				_, env = environment(t, "redis")
			}
			for _, args := range [][]string{{"serve"}, {"add", "1", "2"}} {
				if args[0] == "add" && strings.HasPrefix(variable, "PORT=") {
					continue // the client of Redis does not mind
				}
				_, complaint, err := output(t, append(env, variable), append([]string{calculatorProgram(t)}, args...)...)
				if err == nil || !strings.Contains(complaint, want) {
					t.Errorf("%v ends with %v and says %q, want %q", args, err, complaint, want)
				}
				if strings.Contains(complaint, "secret@") || strings.Count(complaint, "\n") != 1 {
					t.Errorf("%v says too much: %s", args, complaint)
				}
			}
		})
	}
}

func TestRefusesNothingToServe(t *testing.T) {
	t.Parallel()
	if _, complaint, err := output(t, nil, calculatorProgram(t)); err == nil || !strings.Contains(complaint, "say serve") {
		t.Errorf("it ends with %v and says %q", err, complaint)
	}
}

// Told to end while it looks for its broker, it does.
func TestTerminateWithoutBroker(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"AMQP_URL=amqp://guest:guest@127.0.0.1:1/", fmt.Sprint("PORT=", freePort(t))}, calculatorProgram(t), "serve")
	if line := p.line(t); !strings.Contains(line, "POST") {
		t.Errorf("it says %q", line)
	}
	p.terminate(t)
}

// A call that is under way when it is told to end is answered.
func TestTerminateUnderACall(t *testing.T) {
	t.Parallel()
	name, env := environment(t, "http")
	p := serving(t, env, calculatorProgram(t), "serve")
	address := "localhost:" + strings.TrimPrefix(env[1], "PORT=")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(waitLimit))
	body := `{"jsonrpc":"2.0","method":"add","params":[1,5.1],"id":1}`
	fmt.Fprintf(conn, "POST /%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", name, len(body))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it reads the body
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for refused := false; !refused; { // until it has taken notice
		other, err := net.Dial("tcp", address)
		if refused = errors.Is(err, syscall.ECONNREFUSED); err == nil {
			_ = other.Close()
		}
	}
	fmt.Fprint(conn, body)
	answer, err := http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	<-p.Ended
	if p.Err != nil {
		t.Errorf("it ended with %v", p.Err)
	}
}

// A second signal does not wait for anything.
func TestTerminateTwice(t *testing.T) {
	t.Parallel()
	name, env := environment(t, "http")
	p := serving(t, env, calculatorProgram(t), "serve")
	conn, err := net.Dial("tcp", "localhost:"+strings.TrimPrefix(env[1], "PORT="))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", name)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	for ended := false; !ended; {
		_ = p.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
		select {
		case <-p.Ended:
			ended = true
		case <-time.After(50 * time.Millisecond): // the first one may be under way still
		}
	}
	var exit *exec.ExitError
	if !errors.As(p.Err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", p.Err)
	}
}
