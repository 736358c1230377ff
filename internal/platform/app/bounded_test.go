package app

import (
	"context"
	"net"
	"testing"
)

// tuned is a connection that remembers how its buffer was set.
type tuned struct {
	net.Conn

	buffer int
}

func (c *tuned) SetWriteBuffer(n int) error {
	c.buffer = n
	return nil
}

// A client that does not read costs little; a connection that has no such buffer is
// served as well.
func TestWhatIsSentIsBounded(t *testing.T) {
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
