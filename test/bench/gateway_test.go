package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/rest/call"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	"quadrille/test/harness"
	"quadrille/test/harness/identity"
)

// gated starts a shop on embedded parts with one product.
func gated(b *testing.B) *harness.Shop {
	b.Helper()
	shop := harness.Start(b, harness.Embedded(b))
	_, _, err := shop.Catalog.Put(b.Context(), "S0", catalogclient.NewProduct{Title: "S", Price: catalogclient.Money{Amount: "1.00", Currency: "GBP"}})
	check(b, err)
	return shop
}

// BenchmarkGateway reads a product directly and through the gateway, by somebody
// whose token is checked each time, in turns.
func BenchmarkGateway(b *testing.B) {
	shop := gated(b)
	plain := call.New(call.Config{Timeout: time.Minute})
	signed := &http.Client{Transport: bearer{identity.Token("ann"), plain.Transport}}
	get := func(hc *http.Client, url string) func(context.Context) error {
		return func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			answer, err := hc.Do(r)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			if err == nil && answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("answered %s", answer.Status)
			}
			return err
		}
	}
	for _, n := range []int{1, 16} {
		b.Run(strconv.Itoa(n)+"_clients", func(b *testing.B) {
			for range b.N {
				direct := timed(b, n, get(plain, shop.URL("catalog")+"/products/S0"))
				through := timed(b, n, get(signed, shop.PublicAPI()+"/products/S0"))
				b.ReportMetric(direct.p50, "direct_p50_ms")
				b.ReportMetric(direct.p99, "direct_p99_ms")
				b.ReportMetric(direct.perSecond, "direct/s")
				b.ReportMetric(through.p50, "p50_ms")
				b.ReportMetric(through.p99, "p99_ms")
				b.ReportMetric(through.perSecond, "calls/s")
				b.ReportMetric(through.p50-direct.p50, "overhead_p50_ms")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// bearer sends one token with everything.
type bearer struct {
	token string
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// BenchmarkPush measures the time from a receipt to the event that reports the new
// availability to an open page, by way of inventory, catalog and the gateway.
func BenchmarkPush(b *testing.B) {
	shop := gated(b)
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, shop.URL(app.Gateway)+"/api/v1/events?types=catalog.product_changed", nil)
	check(b, err)
	answer, err := http.DefaultClient.Do(r)
	check(b, err)
	defer answer.Body.Close()
	told := make(chan struct{}, 1)
	go func() {
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "event: catalog.") {
				told <- struct{}{}
			}
		}
	}()
	const receipts = 200
	for range b.N {
		var took []time.Duration
		for range receipts {
			began := time.Now()
			_, _, err := shop.Inventory.Receive(b.Context(), inventoryclient.NewReceipt{ExternalId: strconv.FormatInt(began.UnixNano(), 36), Sku: "S0", Quantity: 1})
			check(b, err)
			select {
			case <-told:
				took = append(took, time.Since(began))
			case <-time.After(10 * time.Second):
				b.Fatal("nobody is told")
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[receipts/2].Microseconds())/1000, "p50_ms")
		b.ReportMetric(float64(took[receipts*99/100].Microseconds())/1000, "p99_ms")
		b.ReportMetric(0, "ns/op")
	}
}
