package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/pkg/rpc/redisrpc"
)

// call calls a method over the first transport in the environment and prints the result. It
// sends params by position, since simple servers support nothing else.
func call(ctx context.Context, method string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport, done, err := dial(ctx)
	if err != nil {
		return err
	}
	defer done()
	client := rpc.NewClient(transport)
	defer client.Close() //nolint:errcheck // the response has been read
	result, err := rpc.Call[json.RawMessage](ctx, client, method, params(args), rpc.Idempotent())
	var said *rpc.Error
	if errors.As(err, &said) && said.Data != nil {
		return fmt.Errorf("%w: %s", err, said.Data)
	}
	if err != nil {
		return err
	}
	fmt.Println(string(result))
	return nil
}

// params returns the arguments as JSON. It takes an argument that is not JSON as a string.
// The server decides whether the method takes them.
func params(args []string) []any {
	list := make([]any, len(args))
	for i, arg := range args {
		list[i] = arg
		if json.Valid([]byte(arg)) {
			list[i] = json.RawMessage(arg)
		}
	}
	return list
}

func dial(ctx context.Context) (t rpc.Transport, done func(), err error) {
	if url := os.Getenv("REDIS_URL"); url != "" {
		return dialRedis(url)
	}
	if url := os.Getenv("AMQP_URL"); url != "" {
		return dialRabbitMQ(ctx, url)
	}
	if port := os.Getenv("PORT"); port != "" {
		return rpc.NewHTTP("http://localhost:"+port+"/"+name(), &http.Client{}), func() {}, nil
	}
	return nil, nil, errNowhere
}

// dialRedis expects each reply on a list of its own, as simple servers send them.
func dialRedis(url string) (t rpc.Transport, done func(), err error) {
	r, err := openRedis(url)
	if err != nil {
		return nil, nil, err
	}
	t, err = redisrpc.New(redisrpc.Config{Redis: r, List: name(), PerCall: true})
	return t, func() { _ = r.Close() }, err
}

func dialRabbitMQ(ctx context.Context, url string) (t rpc.Transport, done func(), err error) {
	if err := broker.Check([]string{url}); err != nil {
		return nil, nil, fmt.Errorf("AMQP_URL: %w", err)
	}
	session := broker.New("calculator", []string{url}, slog.New(slog.DiscardHandler))
	if err := session.Ready(ctx); err != nil {
		session.Close()
		return nil, nil, err
	}
	t, err = amqprpc.New(amqprpc.Config{Session: session, Queue: name()})
	return t, session.Close, err
}
