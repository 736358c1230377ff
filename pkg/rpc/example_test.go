package rpc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"quadrille/pkg/rpc"
)

// A method takes its params by name or by position, and a caller gets its result, or
// its error, whatever is in between.
func Example() {
	type operands struct {
		A float64 `json:"a"`
		B float64 `json:"b"`
	}
	server := rpc.NewServer(rpc.ServerConfig{})
	rpc.Register(server, "divide", func(_ context.Context, p operands) (float64, error) {
		if p.B == 0 {
			return 0, rpc.Errorf(1, "by nothing")
		}
		return p.A / p.B, nil
	})

	web := httptest.NewServer(rpc.HTTPHandler(server)) // or amqprpc.NewServer, redisrpc.NewServer
	defer web.Close()
	client := rpc.NewClient(rpc.NewHTTP(web.URL, http.DefaultClient)) // or amqprpc.New, redisrpc.New
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	quotient, err := rpc.Call[float64](ctx, client, "divide", operands{A: 6, B: 4})
	fmt.Println(quotient, err)
	_, err = rpc.Call[float64](ctx, client, "divide", []float64{6, 0}, rpc.Idempotent())
	fmt.Println(err)
	// Output:
	// 1.5 <nil>
	// by nothing (1)
}
