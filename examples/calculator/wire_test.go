package main

import (
	"net/http"
	"strings"
	"testing"

	"quadrille/test/harness/parts"
)

// program is a calculator's server or client, in Go or in Ruby.
type program struct {
	ruby      bool
	transport string
	role      string // server or client
}

func (p program) String() string {
	if p.ruby {
		return "Ruby " + p.role
	}
	return "Go " + p.role
}

func (p program) argv(t *testing.T) []string {
	t.Helper()
	switch {
	case p.ruby:
		return []string{parts.Ruby(t, "redis", "bunny", "webrick"), "ruby/" + p.transport + "_" + p.role + ".rb"}
	case p.role == "server":
		return []string{calculatorProgram(t), "serve"}
	default:
		return []string{calculatorProgram(t)}
	}
}

// Each client gets the same answers from each server.
func TestClientsAndServers(t *testing.T) {
	for transport := range transports {
		for _, languages := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
			client := program{ruby: languages[0], transport: transport, role: "client"}
			server := program{ruby: languages[1], transport: transport, role: "server"}
			t.Run(transport+"/"+client.String()+", "+server.String(), func(t *testing.T) {
				t.Parallel()
				client, server := client.argv(t), server.argv(t)
				_, env := environment(t, transport)
				serving(t, env, server...)
				converse(t, env, client)
			})
		}
	}
}

// converse has a client ask all there is to ask.
func converse(t *testing.T, env, client []string) {
	t.Helper()
	for _, c := range []struct{ request, result, complaint string }{
		{request: "add 1 5.1", result: "6.1"},
		{request: "subtract 5 7", result: "-2"},
		{request: "subtract 0.3 0.1", result: "0.19999999999999998"},
		{request: "multiply 2 3", complaint: "Method not found (-32601)"},
		{request: "add 1", complaint: "Invalid params (-32602)"},
		{request: "add 1 x", complaint: "Invalid params (-32602)"},
	} {
		argv := append(append([]string(nil), client...), strings.Fields(c.request)...)
		result, complaint, err := output(t, env, argv...)
		if result != c.result && result != c.result+"\n" {
			t.Errorf("%s gives %q, want %q\n%s", c.request, result, c.result, complaint)
		}
		if !strings.Contains(complaint, c.complaint) || (err != nil) != (c.complaint != "") {
			t.Errorf("%s ends with %v and says %q, want %q", c.request, err, complaint, c.complaint)
		}
	}
}

// A request waits for a server that comes later, whoever declares the queue.
func TestClientsThatComeFirst(t *testing.T) {
	for _, transport := range []string{"redis", "rabbitmq"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			client, server := program{ruby: true, transport: transport, role: "client"}, program{role: "server"}
			_, env := environment(t, transport)
			first := start(t, env, append(client.argv(t), "add", "1", "5.1")...)
			serving(t, env, server.argv(t)...)
			if got := first.line(t); got != "6.1" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A queue that exists is used as it is. Programs that declare it all the same are
// refused by the broker where theirs is another kind.
func TestQueuesThatExist(t *testing.T) {
	for what, durable := range map[string]bool{"durable": true, "not durable": false} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ruby := program{ruby: true, transport: "rabbitmq", role: "client"}.argv(t)
			name, env := environment(t, "rabbitmq")
			ch := channel(t, parts.RabbitMQ(t))
			if _, err := ch.QueueDeclare(name, durable, false, false, false, nil); err != nil {
				t.Fatal(err)
			}
			serving(t, env, calculatorProgram(t), "serve")
			converse(t, env, []string{calculatorProgram(t)})
			if !durable {
				converse(t, env, ruby)
			} else if _, complaint, err := output(t, env, ruby...); err == nil || !strings.Contains(complaint, "inequivalent arg 'durable'") {
				t.Errorf("a naive client ends with %v and says %q", err, complaint)
			}
			if _, err := ch.QueueDeclare(name, durable, false, false, false, nil); err != nil {
				t.Errorf("it is another queue now: %v", err)
			}
		})
	}
}

// A naive HTTP client says that it sends a form, or nothing of what it sends.
func TestTypesOfContent(t *testing.T) {
	t.Parallel()
	name, env := environment(t, "http")
	serving(t, env, calculatorProgram(t), "serve")
	url := "http://localhost:" + strings.TrimPrefix(env[1], "PORT=") + "/" + name
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, said := range []string{"", "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8", "nonsense/"} {
		answer, err := hc.Post(url, said, strings.NewReader(`{"jsonrpc":"2.0","method":"add","params":{"b":5.1,"a":1},"id":7}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%q is answered %s, %q", said, answer.Status, answer.Header.Get("Content-Type"))
		}
	}
}
