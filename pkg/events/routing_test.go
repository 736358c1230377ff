package events_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"quadrille/pkg/events"
)

func TestRoutingKeyIsShortenedAbove255Bytes(t *testing.T) {
	for name, c := range map[string]struct{ subject, want string }{
		"plain":            {"ann/TEA-1", "a.b.ann%2FTEA-1"},
		"of 255 bytes":     {strings.Repeat("x", 251), "a.b." + strings.Repeat("x", 251)},
		"of 256 bytes":     {strings.Repeat("x", 252), "a.b." + strings.Repeat("x", 218) + "~940beb19fcd4e9cd3b08c5a752fedb26"},
		"cut in an escape": {strings.Repeat("x", 217) + strings.Repeat(".", 20), "a.b." + strings.Repeat("x", 217) + "~b5dd20a490c4aeee743a40439a105aa7"},
	} {
		if key := (events.Event{Type: "a.b", Subject: c.subject}).RoutingKey(); key != c.want {
			t.Errorf("%s: got %q, want %q", name, key, c.want)
		}
	}
}

// Customer and SKU code of a wish may be so long that its key is shortened.
func TestLongestWishesHaveDistinctKeys(t *testing.T) {
	customer, code := strings.Repeat(".", 54), strings.Repeat(".", 64)
	a, b := events.ItemWished(customer, code, 1), events.ItemWished(customer, code[1:]+"X", 1)
	if a.RoutingKey() == b.RoutingKey() {
		t.Errorf("two wishes have the same key %q", a.RoutingKey())
	}
	if a.Subject != customer+"/"+code {
		t.Errorf("the subject is %q", a.Subject)
	}
}

func TestFitRoutingKeyKeepsKeysDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		long := rapid.StringN(100, 400, 2000)
		a, b := long.Draw(t, "a"), long.Draw(t, "b")
		fitA, fitB := events.FitRoutingKey(a), events.FitRoutingKey(b)
		if len(fitA) > events.MaxRoutingKey || !utf8.ValidString(fitA) || events.FitRoutingKey(fitA) != fitA {
			t.Fatalf("%q becomes %q", a, fitA)
		}
		if (a == b) != (fitA == fitB) {
			t.Fatalf("%q and %q become %q and %q", a, b, fitA, fitB)
		}
	})
}
