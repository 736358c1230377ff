package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"quadrille/internal/platform/ops"
)

// Whoever publishes an event chooses what dead prints, and must not steer the terminal by it.
func TestDeadLettersCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[2J\u009b1mb\n     99  open\u202ec"
	event, err := json.Marshal(map[string]string{"subject": evil})
	if err != nil {
		t.Fatal(err)
	}
	letter := ops.DeadLetter{ID: 17, EventID: evil, Type: evil, Subject: evil, Error: evil, State: "open", Behind: 1, Event: event}
	var out bytes.Buffer
	showDead(letter, &out)
	page := ops.DeadPage{Items: []ops.DeadLetter{letter}, Total: 1, Groups: []ops.DeadGroup{{Type: evil, Cause: evil, Count: 1}}}
	if err := listDead(t.Context(), fixedLetters{page}, ops.DeadFilter{}, 50, &out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\n     99") || !strings.Contains(out.String(), "?[2J") {
		t.Errorf("printed %q", out.String())
	}
	for _, r := range out.String() {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("printed %q in %q", r, out.String())
		}
	}
}

// fixedLetters returns the same page of letters to every request.
type fixedLetters struct{ page ops.DeadPage }

func (f fixedLetters) DeadLetters(context.Context, ops.DeadFilter, int, *string) (ops.DeadPage, error) {
	return f.page, nil
}

func (f fixedLetters) DeadLetter(context.Context, int64) (ops.DeadLetter, error) {
	return f.page.Items[0], nil
}
