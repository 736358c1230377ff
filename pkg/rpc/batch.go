package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"quadrille/pkg/rpc/internal/jsonscan"
)

// Batch collects requests that are sent as one message. The zero Batch is empty. Use it
// from one goroutine and send it once.
type Batch struct {
	requests []batchCall
}

// batchCall is one call, or notification, of a batch.
type batchCall struct {
	method string
	params any
	notify bool
	result any
	err    error
}

// Call adds a call and returns its number within the batch. Send decodes the result into
// result, a pointer.
func (b *Batch) Call(method string, params, result any) int {
	b.requests = append(b.requests, batchCall{method: method, params: params, result: result})
	return len(b.requests) - 1
}

// Notify adds a notification.
func (b *Batch) Notify(method string, params any) {
	b.requests = append(b.requests, batchCall{method: method, params: params, notify: true})
}

// Err returns the error of call n after Send: nil, an *Error, or an error that says that
// the server did not answer the call.
func (b *Batch) Err(n int) error { return b.requests[n].err }

// errNotAnswered is the error of a call that the reply to its batch omits.
var errNotAnswered = errors.New("rpc: the reply to the batch does not answer this call")

// Send sends a batch and waits for the reply. Its error concerns the whole batch; Err
// returns the error of each call.
func (c *Client) Send(ctx context.Context, b *Batch) error {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	var first string
	numbers := map[string]int{}
	list := make([]outgoing, len(b.requests))
	for i, p := range b.requests {
		list[i] = newOutgoing(ctx, p.method, p.params)
		if p.notify {
			continue
		}
		list[i].ID = uuid.NewString()
		numbers[list[i].ID] = i
		if first == "" {
			first = list[i].ID
		}
	}
	if len(list) == 0 {
		return nil // servers refuse an empty batch
	}
	message, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("rpc: params of a batch: %w", err)
	}
	answer, err := c.transport.RoundTrip(ctx, first, message)
	if err != nil {
		return fmt.Errorf("rpc: send batch: %w", err)
	}
	if first == "" {
		return nil
	}
	return b.decode(answer, numbers)
}

// decode assigns the responses to the calls.
func (b *Batch) decode(answer []byte, numbers map[string]int) error {
	if !json.Valid(answer) || jsonscan.Kind(answer) != '[' {
		whole, err := parseResponse(answer)
		if err != nil {
			return fmt.Errorf("rpc: reply to a batch: %w", err)
		}
		if whole.Error != nil {
			return whole.Error // the server refused the whole batch
		}
		return errors.New("rpc: the reply to the batch is a single result")
	}
	for _, n := range numbers {
		b.requests[n].err = errNotAnswered
	}
	for _, m := range jsonscan.Split(answer) {
		r, err := decodeResponse(m.Value)
		n, ours := numbers[r.id]
		if !ours {
			continue
		}
		p := &b.requests[n]
		switch {
		case err != nil:
			p.err = fmt.Errorf("rpc: reply to %s: %w", p.method, err)
		case r.Error != nil:
			p.err = r.Error
		default:
			p.err = json.Unmarshal(r.Result, p.result)
		}
	}
	return nil
}
