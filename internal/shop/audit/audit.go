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

// Report is the result of an audit.
type Report struct {
	Orders      map[string]int `json:"orders"` // by status
	SKUs        int            `json:"skus"`
	OnHand      int64          `json:"on_hand"`
	Reserved    int64          `json:"reserved"`
	Products    int            `json:"products"`
	Allocations int            `json:"allocations"`
	Absent      []string       `json:"absent,omitempty"` // services that were left out because they do not run
	Differences []string       `json:"differences"`
}

// Clean reports whether the audit found no differences.
func (r Report) Clean() bool { return len(r.Differences) == 0 }

// Take audits the shop as it is now. It returns an error if a service cannot be read;
// differences are in the report.
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

// AtRest waits up to wait until the shop is at rest and audits the services that run. If the
// shop does not come to rest, that is the first difference. A wait of 0 does not wait.
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

// compare returns all differences in the snapshot, grouped by check.
func compare(n *snapshot) (differences []string) {
	for _, check := range []func(*snapshot) []string{
		checkConsumers, checkStock, checkCopies, checkProducts, checkPrices, checkOrders, checkStats,
	} {
		found := check(n)
		slices.Sort(found)
		differences = append(differences, found...)
	}
	return differences
}

// Present returns cfg with the optional services that do not answer listed as absent.
func Present(ctx context.Context, cfg Config) Config {
	hc := cfg.client()
	cfg.Absent = nil
	for _, service := range cfg.Services {
		if slices.Contains(cfg.Optional, service) && !ops.New(cfg.URL(service), hc).Alive(ctx) {
			cfg.Absent = append(cfg.Absent, service)
		}
	}
	return cfg
}

// restPoll is the interval of the polls of Rest.
const restPoll = 100 * time.Millisecond

// Rest waits until the shop is at rest: no event is unsent and no consumer is behind in two
// polls in a row. If ctx ends first, the error names what the last poll found.
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
			return fmt.Errorf("the shop has not come to rest: %w", err)
		case <-time.After(restPoll):
		}
	}
}

// moving returns an error that names the first unsent event or consumer behind, or nil.
func moving(ctx context.Context, cfg Config, hc *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := readSubscriptions(ctx, cfg, hc)
	if err != nil {
		return err
	}
	if behind := checkConsumers(&snapshot{subscriptions: all}); len(behind) > 0 {
		return fmt.Errorf("%s", behind[0])
	}
	return nil
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
