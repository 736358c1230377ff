package plaintext_test

import (
	"testing"

	"quadrille/internal/plaintext"
)

func TestCleanTextIsStorable(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "März": "März", "a\x00b": "a\ufffdb", "m\xe4rz": "m\ufffdrz", "\ufffd": "\ufffd", "tab\tline\n": "tab\tline\n",
	} {
		clean := plaintext.Clean(s)
		if clean != want || !plaintext.Storable(clean) {
			t.Errorf("Clean(%q) is %q, want %q", s, clean, want)
		}
		if plaintext.Storable(s) != (s == want) {
			t.Errorf("Storable(%q) is %v", s, plaintext.Storable(s))
		}
	}
}

func TestShortenCountsCharacters(t *testing.T) {
	for s, want := range map[string]string{"": "", "äöü": "äöü", "äöüß": "äöü…"} {
		if got := plaintext.Shorten(s, 3); got != want {
			t.Errorf("Shorten(%q) is %q, want %q", s, got, want)
		}
	}
}
