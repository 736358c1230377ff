package rpc_test

import (
	"context"
	"testing"
	"time"

	"quadrille/pkg/rpc"
)

// BenchmarkCall measures the cost of a call without a transport.
func BenchmarkCall(b *testing.B) {
	c := rpc.NewClient(direct{s: newAdder().Server})
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rpc.Call[int64](ctx, c, "add", sum{A: 1, B: 2}); err != nil {
			b.Fatal(err)
		}
	}
}
