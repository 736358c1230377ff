package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/pkg/rpc/redisrpc"
)

// serve serves over every transport in the environment, until ctx ends or one of them fails.
func serve(ctx context.Context) error {
	calc, served := calculator(), 0
	group, ctx := errgroup.WithContext(ctx)
	for _, by := range []struct {
		variable string
		serve    func(ctx context.Context, calc *rpc.Server, value string) error
	}{
		{"REDIS_URL", serveRedis},
		{"AMQP_URL", serveRabbitMQ},
		{"PORT", serveHTTP},
	} {
		if value := os.Getenv(by.variable); value != "" {
			group.Go(func() error { return by.serve(ctx, calc, value) })
			served++
		}
	}
	if served == 0 {
		return errNowhere
	}
	return group.Wait()
}

func serveRedis(ctx context.Context, calc *rpc.Server, url string) error {
	r, err := openRedis(url)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // everything was answered
	server, err := redisrpc.NewServer(redisrpc.ServerConfig{Redis: r, List: name(), Server: calc, Log: slog.Default()})
	if err != nil {
		return err
	}
	fmt.Println("serving the Redis list", name()) // requests wait there
	return server.Run(ctx)
}

// serveRabbitMQ declares the queue with the same properties as simple programs, which may
// declare it before or after.
func serveRabbitMQ(ctx context.Context, calc *rpc.Server, url string) error {
	if err := broker.Check([]string{url}); err != nil {
		return fmt.Errorf("AMQP_URL: %w", err)
	}
	session := broker.New("calculator", []string{url}, slog.Default())
	defer session.Close()
	server, err := amqprpc.NewServer(amqprpc.ServerConfig{
		Session: session, Queue: name(), Server: calc, Transient: true, Log: slog.Default(),
		Serving: func() { fmt.Println("serving the RabbitMQ queue", name()) },
	})
	if err != nil {
		return err
	}
	if err := session.Ready(ctx); err != nil {
		return nil // it was told to end before a broker was there
	}
	return server.Run(ctx)
}

func serveHTTP(ctx context.Context, calc *rpc.Server, port string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("", port))
	if err != nil {
		return fmt.Errorf("PORT: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/"+name(), anyType(rpc.HTTPHandler(calc)))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	finished := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(finished)
		finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 8*time.Second)
		defer cancel()
		_ = server.Shutdown(finishing) // what takes longer is cut off
	})
	fmt.Printf("serving POST /%s on port %s\n", name(), port)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-finished
	return nil
}

// anyType lets a request say any type of content: that of a naive client is what
// its library puts there, such as a form's.
func anyType(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Content-Type")
		h.ServeHTTP(w, r)
	})
}
