// Package rpc implements JSON-RPC 2.0 (jsonrpc.org/specification) with one core for any
// transport. Server.Handle maps the bytes of a request, or of a batch, to those of the
// reply. Register makes a method of a Go function; a Client calls methods over a
// Transport.
//
// HTTP is part of this package. Packages amqprpc and redisrpc have the transports over
// RabbitMQ and Redis. RoundTripper and ServeHTTP tunnel HTTP requests through calls.
package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"quadrille/pkg/rpc/internal/jsonscan"
)

// ServerConfig sets the limits of a server.
type ServerConfig struct {
	MaxBytes   int // of a message; 2 MiB if 0
	MaxBatch   int // requests in a batch; 100 if 0
	Concurrent int // requests of one batch handled at a time; 8 if 0
	Log        *slog.Logger
}

// Server answers requests with its registered methods. Register all methods before the
// first Handle. Handle is safe for concurrent use.
type Server struct {
	cfg     ServerConfig
	methods map[string]method
}

// method maps raw params to a raw result.
type method func(ctx context.Context, params json.RawMessage) (json.RawMessage, error)

// NewServer returns a server without methods.
func NewServer(cfg ServerConfig) *Server {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 2 << 20
	}
	if cfg.MaxBatch == 0 {
		cfg.MaxBatch = 100
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 8
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, methods: map[string]method{}}
}

// Register registers f as the method name. Callers pass params by name, with the JSON
// names of P's fields, or by position, in the order of the fields. Register panics if
// the name is taken or begins with "rpc.", which the protocol reserves.
func Register[P, R any](s *Server, name string, f func(context.Context, P) (R, error)) {
	if _, taken := s.methods[name]; taken || strings.HasPrefix(name, "rpc.") {
		panic("rpc: the name " + name + " is taken")
	}
	fields := fieldsOf(reflect.TypeFor[P]())
	s.methods[name] = func(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
		params, e := decodeParams[P](raw, fields)
		if e != nil {
			return nil, e
		}
		result, err := f(ctx, params)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
}

// Handle answers a request or a batch. It returns nil if the message has only
// notifications.
func (s *Server) Handle(ctx context.Context, message []byte) (reply []byte) {
	if len(message) > s.cfg.MaxBytes {
		return encode(failed(nil, Errorf(CodeInvalidRequest, "Invalid Request: more than %d bytes", s.cfg.MaxBytes)))
	}
	if !utf8.Valid(message) || !json.Valid(message) { // json.Valid accepts invalid UTF-8
		return encode(failed(nil, reserved(CodeParse)))
	}
	if jsonscan.Kind(message) != '[' {
		if answer := s.one(ctx, message); answer != nil {
			return encode(answer)
		}
		return nil
	}
	return s.batch(ctx, message)
}

// batch handles several requests at a time and answers them in their order.
func (s *Server) batch(ctx context.Context, message []byte) []byte {
	entries := jsonscan.Split(message)
	if len(entries) == 0 {
		return encode(failed(nil, reserved(CodeInvalidRequest)))
	}
	if len(entries) > s.cfg.MaxBatch {
		return encode(failed(nil, Errorf(CodeInvalidRequest, "Invalid Request: more than %d in a batch", s.cfg.MaxBatch)))
	}
	answers := make([]*response, len(entries))
	var working sync.WaitGroup
	free := make(chan struct{}, s.cfg.Concurrent)
	for i, entry := range entries {
		free <- struct{}{}
		working.Go(func() {
			defer func() { <-free }()
			answers[i] = s.one(ctx, entry.Value)
		})
	}
	working.Wait()
	var parts [][]byte
	for _, a := range answers {
		if a != nil {
			parts = append(parts, encode(a))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return append(append([]byte{'['}, bytes.Join(parts, []byte{','})...), ']')
}

// one answers one request. It returns nil for a notification.
func (s *Server) one(ctx context.Context, raw json.RawMessage) *response {
	r, e := parseRequest(raw)
	if e != nil {
		return failed(r.id, e)
	}
	result, err := s.call(ctx, r)
	switch {
	case r.id == nil:
		if err != nil {
			s.cfg.Log.Debug("notification failed", "method", r.method, "error", err)
		}
		return nil
	case err != nil:
		var said *Error
		if !errors.As(err, &said) {
			s.cfg.Log.Error("method failed", "method", r.method, "error", err)
		}
		return failed(r.id, responseError(err))
	default:
		return &response{Result: result, ID: r.id}
	}
}

// call runs the method within the caller's deadline. It logs a panic and returns
// CodeInternal.
func (s *Server) call(ctx context.Context, r request) (result json.RawMessage, err error) {
	run, known := s.methods[r.method]
	if !known {
		return nil, reserved(CodeNoMethod)
	}
	if !r.expires.IsZero() {
		if !time.Now().Before(r.expires) {
			return nil, reserved(CodeExpired)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.expires)
		defer cancel()
	}
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("method panicked", "method", r.method, "panic", p, "stack", string(debug.Stack()))
			result, err = nil, reserved(CodeInternal)
		}
	}()
	return run(ctx, r.params)
}

func encode(r *response) []byte { return r.append(make([]byte, 0, 128)) }
