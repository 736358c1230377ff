// Command calculator adds and subtracts over JSON-RPC, with all transports at the same time.
// It is the smallest complete use of pkg/rpc.
//
//	go run ./examples/calculator serve
//	go run ./examples/calculator add 1 5.1
//
// It serves the Redis list calc of REDIS_URL, the RabbitMQ queue calc of AMQP_URL, and POST
// /calc on PORT, each if its variable is set. As a client it uses the first of them in this
// order. CALC_NAME replaces the name calc.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
)

// operands are the params of both methods, by name or by position.
type operands struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func calculator() *rpc.Server {
	s := rpc.NewServer(rpc.ServerConfig{Log: slog.Default()})
	rpc.Register(s, "add", func(_ context.Context, p operands) (float64, error) { return p.A + p.B, nil })
	rpc.Register(s, "subtract", func(_ context.Context, p operands) (float64, error) { return p.A - p.B, nil })
	return s
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "calculator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("say serve, or a method and its params: add 1 5.1")
	case args[0] == "serve" && len(args) == 1:
		return serve(ctx)
	default:
		return call(ctx, args[0], args[1:])
	}
}

// errNowhere reports that the environment names no transport.
var errNowhere = errors.New("set REDIS_URL, AMQP_URL or PORT, or several of them")

// name returns the name of list, queue and path.
func name() string { return cmp.Or(os.Getenv("CALC_NAME"), "calc") }

func openRedis(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("REDIS_URL is no Redis URL") // the cause would show the password
	}
	return redis.NewClient(options), nil
}
