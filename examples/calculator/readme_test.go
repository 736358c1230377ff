package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"quadrille/test/harness/parts"
)

// section is the README's section on one transport.
type section struct {
	export           string // the variable
	servers, clients []string
	byHand           []string
}

// sections returns the README's sections that export a variable, by heading.
func sections(t *testing.T) map[string]section {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]section{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		var s section
		for line := range strings.SplitSeq(body, "\n") {
			run, indented := strings.CutPrefix(line, "    ")
			switch {
			case !indented:
			case strings.HasPrefix(run, "export "):
				s.export = strings.TrimPrefix(run, "export ")
			case strings.HasSuffix(run, " serve") || strings.HasSuffix(run, "_server.rb"):
				s.servers = append(s.servers, run)
			case strings.HasSuffix(run, " add 1 5.1"):
				s.clients = append(s.clients, run)
			default:
				s.byHand = append(s.byHand, run)
			}
		}
		if s.export != "" {
			found[strings.ToLower(heading)] = s
		}
	}
	return found
}

// The commands of the README do what it says, with another name and on the servers
// at hand.
func TestReadme(t *testing.T) {
	found := sections(t)
	if len(found) != len(transports) {
		t.Fatalf("%d sections", len(found))
	}
	for transport, s := range found {
		if len(s.servers) != 2 || len(s.clients) != 2 {
			t.Errorf("%s: %d servers, %d clients", transport, len(s.servers), len(s.clients))
		}
		for i, server := range s.servers {
			t.Run(transport+"/"+server, func(t *testing.T) {
				t.Parallel()
				name, env := environment(t, transport)
				serving(t, env, shell(t, env, server)...)
				for _, client := range s.clients {
					if got, complaint, err := output(t, env, shell(t, env, client)...); err != nil || got != "6.1\n" {
						t.Errorf("%s gives %q, %v\n%s", client, got, err, complaint)
					}
				}
				if i == 0 {
					byHand(t, env, name, s)
				}
			})
		}
	}
}

// shell runs a line of the README in the root of the repository, where the program
// is built already.
func shell(t *testing.T, env []string, line string) []string {
	t.Helper()
	if strings.HasPrefix(line, "ruby ") {
		parts.Ruby(t, "redis", "bunny", "webrick")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	line = strings.ReplaceAll(line, "go run ./examples/calculator", "exec "+calculatorProgram(t))
	line = regexp.MustCompile(`^ruby `).ReplaceAllString(line, "exec ruby ")
	line = strings.ReplaceAll(line, ":4567/", ":"+strings.TrimPrefix(env[1], "PORT=")+"/")
	return []string{"sh", "-c", "cd " + root + " && " + line}
}

func onPath(tool string) bool { _, err := exec.LookPath(tool); return err == nil }

// byHand runs what needs no program of ours.
func byHand(t *testing.T, env []string, name string, s section) {
	t.Helper()
	if len(s.byHand) == 0 {
		return
	}
	if tool := strings.Fields(s.byHand[0])[0]; !onPath(tool) {
		t.Skipf("no %s: its commands were not run", tool)
	}
	script := strings.Join(s.byHand, "\n")
	script = strings.ReplaceAll(script, "LPUSH calc", "LPUSH "+name)
	script = strings.ReplaceAll(script, "/calc", "/"+name)
	script = regexp.MustCompile(`\bme\b`).ReplaceAllString(script, name+".me")
	script = strings.ReplaceAll(script, "redis-cli ", `redis-cli -u "$REDIS_URL" `)
	got, complaint, err := output(t, env, shell(t, env, script)...)
	if err != nil || !strings.Contains(got, `"result":6.1`) {
		t.Errorf("%s\ngives %q, %v\n%s", script, got, err, complaint)
	}
}

// The refusals that the README shows are those that are given.
func TestReadmeRefusals(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, env := environment(t, "http")
	serving(t, env, calculatorProgram(t), "serve")
	shown := regexp.MustCompile(`(?m)^    \$ (.*)\n    (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(shown) != 2 {
		t.Fatalf("%d are shown", len(shown))
	}
	for _, m := range shown {
		if _, complaint, err := output(t, env, shell(t, env, m[1])...); err == nil || complaint != m[2]+"\n" {
			t.Errorf("%s ends with %v and says %s", m[1], err, complaint)
		}
	}
}
