package rest

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"quadrille/pkg/fault"
)

func TestIfMatchComparesStrongly(t *testing.T) {
	for header, matches := range map[string]bool{
		`"7"`: true, `"6"`: false, `W/"7"`: false, `*`: true, ` * `: true, `"1", "7"`: true, `"1","2"`: false, `7`: false, ``: false, `"7`: false, `""`: false,
	} {
		err := IfMatch(&header)(7)
		if (err == nil) != matches || err != nil && !fault.Is(err, fault.Stale) {
			t.Errorf("If-Match: %s gives %v", header, err)
		}
	}
	for header, matches := range map[string]bool{`"7"`: true, `W/"7"`: true, `*`: true, `"6", W/"7"`: true, `"6"`: false, ``: false} {
		if NotModified(&header, 7) != matches {
			t.Errorf("If-None-Match: %s gives %t", header, !matches)
		}
	}
	all := "*"
	if IfMatch(nil)(0) != nil || IfMatch(&all)(0) == nil || NotModified(nil, 7) {
		t.Error("a missing resource matches, or a missing header does not")
	}
}

func FuzzIfMatch(f *testing.F) {
	f.Add(`"7", W/"8"`)
	f.Fuzz(func(t *testing.T, header string) {
		if IfMatch(&header)(7) == nil && !strings.Contains(header, `"7"`) && strings.TrimSpace(header) != "*" {
			t.Errorf("%q covers version 7", header)
		}
	})
}

func TestCursorsAreBoundToTheirList(t *testing.T) {
	cursor := EncodeCursor("skus", "85123A")
	if key, err := DecodeCursor("skus", &cursor); err != nil || key != "85123A" {
		t.Errorf("decoded as %q, %v", key, err)
	}
	if key, err := DecodeCursor("skus", nil); err != nil || key != "" {
		t.Errorf("no cursor is %q, %v", key, err)
	}
	for i := range cursor { // detects a change of any single character
		other := "A"
		if cursor[i] == 'A' {
			other = "B"
		}
		broken := cursor[:i] + other + cursor[i+1:]
		if key, err := DecodeCursor("skus", &broken); !fault.Is(err, fault.Malformed) {
			t.Errorf("%s is %q, %v", broken, key, err)
		}
	}
	if _, err := DecodeCursor("orders", &cursor); !fault.Is(err, fault.Malformed) {
		t.Errorf("a cursor of another list gives %v", err)
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(EncodeCursor("skus", "A"))
	f.Fuzz(func(t *testing.T, cursor string) {
		key, err := DecodeCursor("skus", &cursor)
		if err == nil && cursor != "" && EncodeCursor("skus", key) != cursor {
			t.Errorf("%q was taken for %q", cursor, key)
		}
	})
}

func TestPageLinksToNextPage(t *testing.T) {
	rows, next := Page("n", []string{"a", "b", "c"}, 2, func(s string) string { return s })
	if len(rows) != 2 || next == nil {
		t.Fatalf("page is %v, %v", rows, next)
	}
	if key, err := DecodeCursor("n", next); err != nil || key != "b" {
		t.Errorf("goes on after %q, %v", key, err)
	}
	asked, err := url.Parse("/list?limit=2&q=a%20b&after=old")
	if err != nil {
		t.Fatal(err)
	}
	link := Link(context.WithValue(context.Background(), urlKey{}, asked), next)
	if link == nil || *link != "</list?after="+*next+`&limit=2&q=a+b>; rel="next"` {
		t.Errorf("link is %v", *link)
	}
	if rows, next = Page("n", []string{"a", "b"}, 2, func(s string) string { return s }); len(rows) != 2 || next != nil || Link(context.Background(), next) != nil {
		t.Errorf("the last page is %v, %v", rows, next)
	}
}
