package main

import (
	"errors"
	"fmt"
	"testing"

	"quadrille/pkg/fault"
)

func TestErrorsShowFindings(t *testing.T) {
	t.Parallel()
	refused := fault.New(fault.Invalid, "request_invalid", "see errors").With("#/query/limit", "too large").With("/reason", "missing")
	for want, err := range map[string]error{
		"plain": errors.New("plain"),
		"list: request_invalid: see errors\n  limit: too large\n  /reason: missing": fmt.Errorf("list: %w", refused),
	} {
		if got := explained(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
