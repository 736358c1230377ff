package bench_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"quadrille/test/harness/parts"
)

// BenchmarkRPCRuby measures programs of a few lines: the servers of
// examples/calculator/ruby, and clients that open a connection or a subscriber for
// each call (naive), or keep it. They make one call at a time.
func BenchmarkRPCRuby(b *testing.B) {
	for name, variable := range map[string]func(b *testing.B) string{
		"http":     func(b *testing.B) string { return "PORT=" + strconv.Itoa(freePort(b)) },
		"redis":    func(b *testing.B) string { return "REDIS_URL=" + parts.Redis(b) },
		"rabbitmq": func(b *testing.B) string { return "AMQP_URL=" + parts.RabbitMQ(b) },
	} {
		b.Run(name, func(b *testing.B) {
			ruby := parts.Ruby(b, "redis", "bunny", "webrick")
			queue := "t" + uuid.NewString()
			env := append(os.Environ(), "CALC_NAME="+queue, variable(b))
			serveRuby(b, env, ruby, "../../examples/calculator/ruby/"+name+"_server.rb")
			if name == "rabbitmq" {
				b.Cleanup(func() { deleteQueue(b, queue) })
			}
			for range b.N {
				for way, metric := range map[string]string{"naive": "naive_seq_s", "kept": "kept_seq_s"} {
					if name == "http" && way == "kept" {
						continue // both ends wait for each other's acknowledgement: 40 ms a call
					}
					cmd := exec.CommandContext(b.Context(), ruby, "ruby/client.rb", name, way, strconv.Itoa(sequential))
					cmd.Env, cmd.Stderr = env, os.Stderr
					out, err := cmd.Output()
					check(b, err)
					seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
					check(b, err)
					b.ReportMetric(seconds, metric)
				}
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// serveRuby runs a server, which says when it serves, until the benchmark ends.
func serveRuby(b *testing.B, env []string, argv ...string) {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	out, err := cmd.StdoutPipe()
	check(b, err)
	check(b, cmd.Start())
	b.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
	})
	if lines := bufio.NewScanner(out); !lines.Scan() || !strings.HasPrefix(lines.Text(), "serving") {
		b.Fatalf("%v says %q", argv, lines.Text())
	}
}

func freePort(b *testing.B) int {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	check(b, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
