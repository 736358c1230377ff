package audit

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"quadrille/internal/platform/ops"
)

// Report is what an audit found.
type Report struct {
	Orders      map[string]int `json:"orders"` // by status
	SKUs        int            `json:"skus"`
	OnHand      int64          `json:"on_hand"`
	Reserved    int64          `json:"reserved"`
	Products    int            `json:"products"`
	Allocations int            `json:"allocations"`
	Absent      []string       `json:"absent,omitempty"` // services that do not run and were left out
	Differences []string       `json:"differences"`
}

// Clean reports whether all notes agree.
func (r Report) Clean() bool { return len(r.Differences) == 0 }

// Take audits the shop as it is now. The error is one of asking, not a
// difference.
func Take(ctx context.Context, cfg Config) (Report, error) {
	n, err := take(ctx, cfg)
	if err != nil {
		return Report{}, err
	}
	r := Report{Orders: map[string]int{}, SKUs: len(n.skus), Products: len(n.products), Allocations: len(n.allocations), Absent: cfg.Absent, Differences: []string{}}
	for _, o := range n.orders {
		r.Orders[string(o.Status)]++
	}
	for _, s := range n.skus {
		r.OnHand += s.OnHand
		r.Reserved += s.Reserved
	}
	r.Differences = append(r.Differences, compare(n)...)
	return r, nil
}

// AtRest audits the services that are present, once the shop is at rest. When it
// does not come to rest within wait, that is the first difference.
func AtRest(ctx context.Context, cfg Config, wait time.Duration) (Report, error) {
	cfg = Present(ctx, cfg)
	var restless error
	if wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, wait)
		restless = Rest(waiting, cfg)
		cancel()
	}
	report, err := Take(ctx, cfg)
	if err == nil && restless != nil {
		report.Differences = append([]string{restless.Error()}, report.Differences...)
	}
	return report, err
}

// compare returns all differences in the notes, kind by kind.
func compare(n *notes) (differences []string) {
	for _, check := range []func(*notes) []string{
		checkReaders, checkStock, checkCopies, checkProducts, checkPrices, checkOrders, checkStats,
	} {
		found := check(n)
		slices.Sort(found)
		differences = append(differences, found...)
	}
	return differences
}

// Present returns cfg with the optional services that do not answer listed as absent.
// Optional services only consume and may be added later; the four that publish are
// required.
func Present(ctx context.Context, cfg Config) Config {
	hc := cfg.client()
	cfg.Absent = nil
	for _, service := range cfg.Services {
		if service != "stats" {
			continue
		}
		if !ops.New(cfg.URL(service), hc).Alive(ctx) {
			cfg.Absent = append(cfg.Absent, service)
		}
	}
	return cfg
}

// restPoll is how often Rest looks.
const restPoll = 100 * time.Millisecond

// Rest waits until the dance has come to rest: nothing unsent and no reader
// behind, at two looks in a row. When ctx ends first, the last look's reason is
// the error.
func Rest(ctx context.Context, cfg Config) error {
	hc := cfg.client()
	calm := 0
	for {
		err := moving(ctx, cfg, hc)
		if err == nil {
			calm++
		} else {
			calm = 0
		}
		if calm == 2 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the dance has not come to rest: %w", err)
		case <-time.After(restPoll):
		}
	}
}

// moving says what is still on its way, or nil.
func moving(ctx context.Context, cfg Config, hc *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := askSubscriptions(ctx, cfg, hc)
	if err != nil {
		return err
	}
	if behind := checkReaders(&notes{subscriptions: all}); len(behind) > 0 {
		return fmt.Errorf("%s", behind[0])
	}
	return nil
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
