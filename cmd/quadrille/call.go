package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quadrille/pkg/rpc"
)

func newCall() *cobra.Command {
	var flags struct {
		timeout    time.Duration
		idempotent bool
		notify     bool
	}
	cmd := &cobra.Command{
		Use:   "call TARGET METHOD [PARAMS]",
		Short: "Call a JSON-RPC method over RabbitMQ, Redis or HTTP",
		Long: `call sends one JSON-RPC 2.0 request and prints the result as JSON. TARGET is

  amqp:QUEUE       a queue on AMQP_URL (amqp://guest:guest@localhost where not set)
  redis:LIST       a list on REDIS_URL (redis://localhost where not set)
  http://...       an HTTP address that accepts POST

PARAMS is a JSON array (by position) or object (by name). If the method returns an
error, call prints it with its code to stderr and exits with 1.`,
		Example: "  quadrille call amqp:calc add '[1, 5.1]'\n  quadrille call redis:calc subtract '{\"a\": 42, \"b\": 23}'\n  quadrille call http://localhost:8080/calc add '[1, 2]'",
		Args:    cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := readParams(args[2:])
			if err != nil {
				return err
			}
			client, done, err := dialRPC(args[0])
			if err != nil {
				return err
			}
			defer done()
			ctx, cancel := context.WithTimeout(cmd.Context(), flags.timeout)
			defer cancel()
			if flags.notify {
				return client.Notify(ctx, args[1], params)
			}
			var options []rpc.Option
			if flags.idempotent {
				options = append(options, rpc.Idempotent())
			}
			result, err := rpc.Call[json.RawMessage](ctx, client, args[1], params, options...)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(result))
			return nil
		},
	}
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 10*time.Second, "how long to wait for the response")
	cmd.Flags().BoolVar(&flags.idempotent, "idempotent", false, "the method may run twice: send the request again if there is no response")
	cmd.Flags().BoolVar(&flags.notify, "notify", false, "send a notification, which has no response")
	return cmd
}

// readParams parses PARAMS. It returns nil if args is empty.
func readParams(args []string) (any, error) {
	if len(args) == 0 {
		return nil, nil
	}
	text := strings.TrimSpace(args[0])
	var syntax *json.SyntaxError
	var params json.RawMessage
	err := json.Unmarshal([]byte(text), &params)
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("PARAMS is not JSON: byte %d: %w", syntax.Offset, err)
	case err != nil:
		return nil, fmt.Errorf("PARAMS is not JSON: %w", err)
	case text[0] != '[' && text[0] != '{':
		return nil, fmt.Errorf("PARAMS must be an array or an object, not %.40s", text)
	}
	return params, nil
}

// dialRPC returns a client for a target and the function that closes it.
func dialRPC(target string) (*rpc.Client, func(), error) {
	cfg, err := fromEnvironment()
	if err != nil {
		return nil, nil, err
	}
	if len(cfg.Brokers()) == 0 {
		cfg.AMQPURL = "amqp://guest:guest@localhost:5672/"
	}
	if cfg.RedisURL == "" {
		cfg.RedisURL = "redis://localhost:6379/0"
	}
	connections, err := newConnections(cfg)
	if err != nil {
		return nil, nil, err
	}
	transport, err := connections.Dial(target)
	if err != nil {
		return nil, nil, errors.Join(err, connections.Close())
	}
	client := rpc.NewClient(transport)
	return client, func() { _ = errors.Join(client.Close(), connections.Close()) }, nil
}
