package sales

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

func orderIn(status string) Order {
	return Order{ID: "o1", Status: status, Version: 3, Lines: []Line{
		{OrderID: "o1", N: 1, SKU: "A", Quantity: 2}, {OrderID: "o1", N: 2, SKU: "B", Quantity: 5},
	}}
}

func statuses() []string { return []string{Placed, Confirmed, Rejected, Cancelled, Shipped} }

func TestStatusTransitions(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	steps := map[string]func(o *Order) (bool, error){
		"cancel":    func(o *Order) (bool, error) { return o.Cancel(now) },
		"ship":      func(o *Order) (bool, error) { return o.Ship(now) },
		"allocated": func(o *Order) (bool, error) { return o.Settle(Allocation{Status: "allocated"}, now), nil },
		"shipped":   func(o *Order) (bool, error) { return o.Settle(Allocation{Status: "shipped"}, now), nil },
		"short":     func(o *Order) (bool, error) { return o.Settle(Allocation{Status: "rejected"}, now), nil },
		"released":  func(o *Order) (bool, error) { return o.Settle(Allocation{Status: "released"}, now), nil },
		"time out":  func(o *Order) (bool, error) { return o.TimeOut(now), nil },
	}
	// The status after each step. Steps that are not listed change nothing.
	become := map[string]map[string]string{
		"cancel":    {Placed: Cancelled, Confirmed: Cancelled},
		"ship":      {Confirmed: Shipped},
		"allocated": {Placed: Confirmed},
		"shipped":   {Placed: Confirmed},
		"short":     {Placed: Rejected},
		"time out":  {Placed: Cancelled},
	}
	refused := map[string]map[string]string{
		"cancel": {Rejected: "order_not_cancellable", Shipped: "order_not_cancellable"},
		"ship":   {Placed: "order_not_confirmed", Rejected: "order_not_confirmed", Cancelled: "order_not_confirmed"},
	}
	for name, step := range steps {
		for _, status := range statuses() {
			t.Run(name+" when "+status, func(t *testing.T) {
				o := orderIn(status)
				changed, err := step(&o)
				want, version := status, int64(3)
				if next, moves := become[name][status]; moves {
					want, version = next, 4
				}
				if o.Status != want || o.Version != version || changed != (version == 4) {
					t.Errorf("got %s at version %d (changed %v), want %s at %d", o.Status, o.Version, changed, want, version)
				}
				if changed && o.UpdatedAt != now {
					t.Errorf("got updated at %v, want %v", o.UpdatedAt, now)
				}
				checkCode(t, err, fault.Conflict, refused[name][status])
			})
		}
	}
}

// checkCode fails unless err is a fault with kind and code. With an empty code, it fails
// unless err is nil.
func checkCode(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	var f *fault.Fault
	switch {
	case code == "" && err == nil:
	case code == "" || !errors.As(err, &f):
		t.Errorf("got error %v, want fault %q", err, code)
	case f.Kind != kind || f.Code != code:
		t.Errorf("got %v of kind %d, want %s of kind %d", f, f.Kind, code, kind)
	}
}

func TestRejectedOrderKeepsMissingQuantities(t *testing.T) {
	o := orderIn(Placed)
	o.Settle(Allocation{OrderID: "o1", Status: "rejected", Short: map[string]int64{"B": 4}}, time.Now())
	if o.Lines[0].Short != 0 || o.Lines[1].Short != 4 {
		t.Errorf("got short %d and %d, want 0 and 4", o.Lines[0].Short, o.Lines[1].Short)
	}
}

func TestEventTypeNamesTheStatus(t *testing.T) {
	for _, status := range statuses() {
		o := orderIn(status)
		e := o.News()
		if err := e.Validate(); err != nil || e.Type != "sales.order_"+status || e.Subject != "o1" || e.Version != 3 {
			t.Errorf("%s: got %+v (%v)", status, e, err)
		}
	}
}

// Any sequence of operations raises the version by one with each change, and leaves final
// statuses as they are.
func TestVersionRisesByOneWithEachChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := orderIn(Placed)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			before := o
			changed := false
			switch rapid.SampledFrom([]string{"cancel", "ship", "allocated", "rejected", "released", "time out", "remind"}).Draw(t, "step") {
			case "cancel":
				changed, _ = o.Cancel(time.Now())
			case "ship":
				changed, _ = o.Ship(time.Now())
			case "allocated":
				changed = o.Settle(Allocation{Status: "allocated"}, time.Now())
			case "rejected":
				changed = o.Settle(Allocation{Status: "rejected"}, time.Now())
			case "released":
				changed = o.Settle(Allocation{Status: "released"}, time.Now())
			case "time out":
				changed = o.TimeOut(time.Now())
			case "remind":
				changed = o.Remind(time.Now())
			}
			moved := o.Status != before.Status || (o.OverdueAt == nil) != (before.OverdueAt == nil)
			if changed != (o.Version == before.Version+1) || changed != moved {
				t.Fatalf("%s at %d became %s at %d, changed %v", before.Status, before.Version, o.Status, o.Version, changed)
			}
			if final := before.Status == Rejected || before.Status == Cancelled || before.Status == Shipped; final && changed {
				t.Fatalf("%s became %s", before.Status, o.Status)
			}
		}
	})
}

// An overdue order stays confirmed, and becomes overdue once.
func TestOnlyAConfirmedOrderBecomesOverdueAndOnce(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, status := range statuses() {
		o := orderIn(status)
		changed, again := o.Remind(now), o.Remind(now.Add(time.Hour))
		if changed != (status == Confirmed) || again || o.Status != status || (o.OverdueAt != nil) != changed {
			t.Errorf("%s: changed %t, again %t, got %+v", status, changed, again, o)
		}
		if changed && (o.News().Type != events.SalesOrderOverdue || o.News().Version != 4 || !o.OverdueAt.Equal(now)) {
			t.Errorf("%s: got event %+v", status, o.News())
		}
	}
	o := orderIn(Placed)
	if o.TimeOut(now); o.Reason == nil || *o.Reason != TimedOut || o.News().Type != events.SalesOrderCancelled {
		t.Errorf("timed out: %+v", o)
	}
	o = orderIn(Placed)
	if _, err := o.Cancel(now); err != nil || o.Reason != nil {
		t.Errorf("cancelled: %+v, %v", o, err)
	}
}
