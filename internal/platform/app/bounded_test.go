package app

import (
	"context"
	"net"
	"testing"
)

// tuned is a connection that records the size of its write buffer.
type tuned struct {
	net.Conn

	buffer int
}

func (c *tuned) SetWriteBuffer(n int) error {
	c.buffer = n
	return nil
}

// A client that does not read takes little memory. A connection without such a buffer is served
// unchanged.
func TestLimitsTheSendBuffer(t *testing.T) {
	c := &tuned{}
	if ctx := bounded(t.Context(), c); ctx != t.Context() || c.buffer != sendBuffer {
		t.Errorf("the buffer is %d", c.buffer)
	}
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if bounded(context.Background(), one) == nil {
		t.Error("there is no context")
	}
}
