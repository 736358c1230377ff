package rpc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/pkg/rpc/redisrpc"
	"quadrille/test/harness/parts"
)

// Where they are set, this program is a server, which tests kill.
const (
	workerURL   = "RPC_TEST_WORKER_URL"
	workerQueue = "RPC_TEST_WORKER_QUEUE"
)

// work serves until it is killed. It never responds, and reports when it has received a request.
func work(url, name string) {
	s := rpc.NewServer(rpc.ServerConfig{})
	rpc.Register(s, "hold", func(context.Context, text) (string, error) {
		fmt.Println("began")
		select {}
	})
	var err error
	if strings.HasPrefix(url, "redis:") {
		err = workRedis(url, name, s)
	} else {
		err = workRabbitMQ(url, name, s)
	}
	fmt.Println(err)
}

func workRedis(url, name string, s *rpc.Server) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	server, err := redisrpc.NewServer(redisrpc.ServerConfig{
		Redis: redis.NewClient(options), List: name, Server: s, Alive: workerAlive, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return server.Run(context.Background())
}

func workRabbitMQ(url, name string, s *rpc.Server) error {
	server, err := amqprpc.NewServer(amqprpc.ServerConfig{
		Session: broker.New("worker", []string{url}, slog.New(slog.DiscardHandler)), Queue: name, Server: s,
		Serving: func() { fmt.Println("serving") }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return server.Run(context.Background())
}

// workerAlive is the time after which Redis considers a killed worker dead.
const workerAlive = 2 * time.Second

// worker starts a server in another process. began waits until it has received a request; kill
// sends SIGKILL.
func worker(t *testing.T, url, name string) (began func(), kill func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program) //nolint:noctx // the test kills it
	cmd.Env = append(os.Environ(), workerURL+"="+url, workerQueue+"="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	said := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the worker says %q, not %q", lines.Text(), want)
		}
	}
	kill = func() {
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()         // how it ended does not matter
	}
	t.Cleanup(kill)
	if strings.HasPrefix(url, "amqp") {
		said("serving")
	}
	return func() { t.Helper(); said("began") }, kill
}

// When a process is killed during a call, another one answers the call, over Redis within one and
// a half times Alive, and runs the method once. Without another process the caller gets an error
// before its deadline.
func TestCallSurvivesKilledServer(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (url, queue string, d driver){
		"rabbitmq": func(t *testing.T) (string, string, driver) {
			url := parts.RabbitMQ(t)
			name := queue(t, url)
			return url, name, rabbitMQ(url, name)
		},
		"redis": func(t *testing.T) (string, string, driver) {
			url := parts.Redis(t)
			name := list(t, connect(t, url))
			return url, name, overRedisList(url, name, false)
		},
	} {
		for who, another := range map[string]bool{"another is there": true, "it was the only one": false} {
			t.Run(name+"/"+who, func(t *testing.T) {
				t.Parallel()
				url, queue, d := open(t)
				began, kill := worker(t, url, queue)
				c := d.dial(t)
				answered := make(chan error, 1)
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
					defer cancel()
					_, err := rpc.Call[string](ctx, c, "hold", text{"x"})
					answered <- err
				}()
				began()
				var calls atomic.Int64
				if another {
					s := rpc.NewServer(rpc.ServerConfig{})
					rpc.Register(s, "hold", func(context.Context, text) (string, error) { calls.Add(1); return "x", nil })
					defer d.serve(t, s)(false)
				}
				kill()
				killed := time.Now()
				err := <-answered
				took := time.Since(killed)
				t.Logf("after %s: %v", took, err)
				switch {
				case another && calls.Load() != 1:
					t.Errorf("it was carried out %d times", calls.Load())
				case another && (err != nil || took > workerAlive*3/2+10*time.Second):
					t.Errorf("after %s: %v", took, err)
				case !another && !errors.Is(err, rpc.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("nobody was there, and the caller got %v", err)
				}
			})
		}
	}
}

// A request that Redis sent over a connection that broke is requeued while the server lives; other
// servers only requeue the requests of dead ones.
func TestRequestLostInTransitIsRequeued(t *testing.T) {
	t.Parallel()
	url := parts.Redis(t)
	r := connect(t, url)
	name := list(t, r)
	serveRedis(t, redisrpc.ServerConfig{Redis: connect(t, url), List: name, Server: newEcho().Server, Alive: time.Second})
	var servers []string
	await(t, "the server puts itself down", func() bool {
		servers, _ = r.SMembers(t.Context(), name+".workers").Result()
		return len(servers) == 1
	})
	replies := name + ".replies"
	r.LPush(t.Context(), name+".working."+servers[0], fmt.Sprintf(`{"jsonrpc":"2.0","method":"echo","params":["x"],"id":%q}`, replies))
	if _, err := r.BRPop(t.Context(), 10*time.Second, replies).Result(); err != nil {
		t.Error(err)
	}
}
