package fault_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"quadrille/pkg/fault"
)

func TestFieldsBeyondMaxAreCounted(t *testing.T) {
	f := fault.New(fault.Invalid, "request_invalid", "it breaks rules")
	first := f
	for i := range 20_000 {
		f = f.With(fmt.Sprintf("/k%d", i), "is not known")
	}
	if len(first.Fields) != 0 || len(f.Fields) != fault.MaxFields || f.More != 20_000-fault.MaxFields || f.Fields[99].Pointer != "/k99" {
		t.Errorf("it has %d fields and %d more; the first one has %d", len(f.Fields), f.More, len(first.Fields))
	}
	p := f.Problem(http.StatusUnprocessableEntity)
	if p.Detail != "it breaks rules (100 of 20000 are listed)" || len(p.Errors) != fault.MaxFields {
		t.Errorf("the problem is %q with %d errors", p.Detail, len(p.Errors))
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	back := fault.FromResponse(p.Status, fault.ProblemType, text)
	if !fault.Is(back, fault.Invalid) || !strings.Contains(back.Error(), "100 of 20000") {
		t.Errorf("it is read back as %v", back)
	}
	few := fault.New(fault.Invalid, "x", "y").With("/a", "b")
	if p := few.Problem(422); p.Detail != "y" || few.More != 0 {
		t.Errorf("one field makes %q", p.Detail)
	}
}

func TestFromResponseBoundsFields(t *testing.T) {
	p := fault.Problem{Code: "x", Errors: make([]fault.Field, 5_000)}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	back, is := fault.FromResponse(422, fault.ProblemType, text).(*fault.Fault) //nolint:errorlint // it is not wrapped
	if !is || len(back.Fields) != fault.MaxFields || back.More != 4_900 {
		t.Errorf("it is %+v", back)
	}
}

func TestStatusDeterminesKind(t *testing.T) {
	for status, want := range map[int]fault.Kind{
		400: fault.Malformed, 401: fault.Unauthorized, 403: fault.Forbidden, 404: fault.NotFound, 408: fault.Unavailable, 409: fault.Conflict, 410: fault.Gone, 412: fault.Stale,
		413: fault.TooLarge, 418: fault.Invalid, 421: fault.Unavailable, 422: fault.Invalid, 429: fault.Unavailable, 500: fault.Unavailable, 503: fault.Unavailable, 599: fault.Unavailable,
	} {
		if err := fault.FromResponse(status, "text/html", nil); !fault.Is(err, want) {
			t.Errorf("%d is %v", status, err)
		}
	}
	if got := fault.Misdirected.Status(); got != http.StatusMisdirectedRequest {
		t.Errorf("Misdirected is %d", got)
	}
}
