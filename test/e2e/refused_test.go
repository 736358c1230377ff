package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/test/harness"
)

// wish puts a wish by REST and returns the status.
func wish(t *testing.T, s *harness.Shop, customer, sku string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL("wishlist")+"/customers/"+customer+"/wishlist/"+sku, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// The longest wish that is valid input is published like any other.
func TestLongestWishesArePublished(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		for _, w := range []struct{ customer, sku string }{
			{strings.Repeat("c", 54), strings.Repeat(".", 64)},
			{strings.Repeat(".", 60) + "abcd", strings.Repeat(".", 63) + "A"},
			{"ann", "PLAIN-1"},
		} {
			if status := wish(t, s, w.customer, w.sku); status != http.StatusCreated {
				t.Errorf("wish of %s for %s: %d", w.customer, w.sku, status)
			}
		}
		client := ops.New(s.URL("wishlist"), s.HTTP)
		harness.Eventually(t, func(ctx context.Context) error {
			at, err := client.Subscriptions(ctx)
			if err == nil && (at.Outbox.Unsent > 0 || at.Outbox.Refused > 0 || at.Outbox.Error != "") {
				err = fmt.Errorf("the outbox says %+v", at.Outbox)
			}
			return err
		})
		if n := strings.Count(feed(t, s, "wishlist"), `"wishlist.item_wished"`); n != 3 {
			t.Errorf("the feed has %d wishes, want 3", n)
		}
	})
}

// An event that the log refuses is told by the operations endpoints and the audit, and
// later events proceed; it can be published again, or discarded.
func TestParksRefusedEvent(t *testing.T) {
	for name, parts := range map[string]func(testing.TB) app.Config{"embedded": harness.Embedded, "real": harness.Real} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parts(t)
			s := harness.Start(t, cfg)
			conn := vault(t, cfg, "inventory")
			spoil := func(id string) {
				t.Helper()
				_, err := conn.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO outbox (event_id, type, subject, routing_key, body, created_at)
					VALUES ('%s', '%s', 'OLD', 'k', '{"specversion":"1.0"}', '2026-01-01 00:00:00')`, id, strings.Repeat("t", 300)))
				if err != nil {
					t.Fatal(err)
				}
			}
			spoil("old-1")
			spoil("old-2")
			receive(t, s, "r1", "A1", 10)
			client := ops.New(s.URL("inventory"), s.HTTP)
			refuses := func(want int64) ops.RefusedPage {
				t.Helper()
				harness.Eventually(t, func(ctx context.Context) error {
					at, err := client.Subscriptions(ctx)
					if err == nil && (at.Outbox.Refused != want || at.Outbox.Unsent != 0) {
						err = fmt.Errorf("the outbox says %+v", at.Outbox)
					}
					return err
				})
				page := must[ops.RefusedPage](t)(client.RefusedEvents(t.Context(), "open", 10))
				if page.Total != want {
					t.Fatalf("%d are listed, want %d", page.Total, want)
				}
				return page
			}
			page := refuses(2)
			offer(t, s, "A1", "2.55")
			shows(t, s, "A1", 10) // later events went on to the others
			if err := client.Ready(t.Context()); err != nil {
				t.Errorf("not ready: %v", err)
			}
			if got := found(t, s); !strings.Contains(got, "outbox of inventory: the log refuses 2 events (quadrille refused list inventory)") {
				t.Errorf("the audit found\n%s", got)
			}
			first, second := page.Items[0], page.Items[1]
			if first.EventID != "old-1" || !strings.Contains(first.Error, "type has 300 bytes") {
				t.Errorf("the first is %+v", first)
			}
			if err := client.RetryRefused(t.Context(), first.ID); err != nil { // it is no better, and comes back
				t.Fatal(err)
			}
			refuses(2)
			if _, err := conn.ExecContext(t.Context(), "UPDATE outbox SET type = 'inventory.sku_processed' WHERE event_id = 'old-1'"); err != nil {
				t.Fatal(err)
			}
			if n, err := client.RetryAllRefused(t.Context()); n != 2 || err != nil {
				t.Fatalf("%d are retried, %v", n, err)
			}
			refuses(1)
			if err := client.DiscardRefused(t.Context(), second.ID, "no event of ours"); err != nil {
				t.Fatal(err)
			}
			refuses(0)
			if r, err := client.RefusedEvent(t.Context(), second.ID); err != nil || r.Reason != "no event of ours" || r.State != "discarded" {
				t.Errorf("the discarded one is %+v, %v", r, err)
			}
		})
	}
}
