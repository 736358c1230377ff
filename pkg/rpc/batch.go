package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Batch is several requests that go out as one message. The zero Batch is empty. It
// is used by one goroutine, and sent once.
type Batch struct {
	requests []pending
}

type pending struct {
	method string
	params any
	notify bool
	result any
	err    error
}

// Call adds a call, whose result is written to result, a pointer, and returns its
// number within the batch.
func (b *Batch) Call(method string, params, result any) int {
	b.requests = append(b.requests, pending{method: method, params: params, result: result})
	return len(b.requests) - 1
}

// Notify adds a notification.
func (b *Batch) Notify(method string, params any) {
	b.requests = append(b.requests, pending{method: method, params: params, notify: true})
}

// Err is what became of call n: nil, an *Error, or that it was not answered.
func (b *Batch) Err(n int) error { return b.requests[n].err }

// errNotAnswered: the server left a call of a batch out.
var errNotAnswered = errors.New("rpc: the batch came back without an answer to it")

// Send sends a batch and waits for its answers. Its error is one of the whole; Err
// tells of each call.
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
		return nil // an empty batch is an error to a server
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
	return b.take(answer, numbers)
}

// take gives each call its answer.
func (b *Batch) take(answer []byte, numbers map[string]int) error {
	if !json.Valid(answer) || kind(answer) != '[' {
		whole, err := parseResponse(answer)
		if err != nil {
			return fmt.Errorf("rpc: reply to a batch: %w", err)
		}
		if whole.Error != nil {
			return whole.Error // it was refused as a whole
		}
		return errors.New("rpc: a batch is answered by one response")
	}
	for _, n := range numbers {
		b.requests[n].err = errNotAnswered
	}
	for _, one := range scan(answer) {
		r, err := responseOf(one.value)
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
