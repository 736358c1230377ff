package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quadrille/internal/shop/audit"
	"quadrille/pkg/fault"
	"quadrille/services"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func receive(t *testing.T, s *harness.Shop, id, sku string, n int64) {
	t.Helper()
	if _, created, err := s.Inventory.Receive(t.Context(), inventoryclient.NewReceipt{ExternalId: id, Sku: sku, Quantity: n}); err != nil || !created {
		t.Fatalf("receive %s: created %t, %v", id, created, err)
	}
}

func offer(t *testing.T, s *harness.Shop, sku, price string) {
	t.Helper()
	p := catalogclient.NewProduct{Title: "A " + sku, Price: catalogclient.Money{Amount: price, Currency: "GBP"}}
	if _, _, err := s.Catalog.Put(t.Context(), sku, p); err != nil {
		t.Fatal(err)
	}
}

// want is a SKU and a quantity, as "A×2".
func orderOf(customer string, wants ...string) salesclient.NewOrder {
	o := salesclient.NewOrder{Customer: customer}
	for _, w := range wants {
		var n int64
		sku, count, _ := strings.Cut(w, "×")
		if _, err := fmt.Sscan(count, &n); err != nil {
			panic(err)
		}
		o.Lines = append(o.Lines, struct {
			Quantity int64               `json:"quantity"`
			Sku      salesclient.SkuCode `json:"sku"`
		}{Sku: sku, Quantity: n})
	}
	return o
}

func place(t *testing.T, s *harness.Shop, o salesclient.NewOrder) salesclient.Order {
	t.Helper()
	placed, _, err := s.Sales.Place(t.Context(), "", o)
	if err != nil {
		t.Fatal(err)
	}
	if placed.Status != salesclient.Placed {
		t.Fatalf("order is %s at first", placed.Status)
	}
	return placed
}

// becomes waits until the order has the status.
func becomes(t *testing.T, s *harness.Shop, id string, status salesclient.OrderStatus) (o salesclient.Order) {
	t.Helper()
	harness.Eventually(t, func(ctx context.Context) (err error) {
		if o, err = s.Sales.Order(ctx, id); err == nil && o.Status != status {
			err = fmt.Errorf("order is %s, want %s", o.Status, status)
		}
		return err
	})
	return o
}

// shows waits until catalog shows how many of a product can be had.
func shows(t *testing.T, s *harness.Shop, sku string, quantity int64) {
	t.Helper()
	harness.Eventually(t, func(ctx context.Context) error {
		p, err := s.Catalog.Product(ctx, sku)
		if err == nil && (p.Quantity != quantity || p.Available != (quantity > 0)) {
			err = fmt.Errorf("catalog shows %d of %s (%t), want %d", p.Quantity, sku, p.Available, quantity)
		}
		return err
	})
}

func stock(t *testing.T, s *harness.Shop, sku string, onHand, reserved int64) {
	t.Helper()
	harness.Eventually(t, func(ctx context.Context) error {
		k, err := s.Inventory.SKU(ctx, sku)
		if err == nil && (k.OnHand != onHand || k.Reserved != reserved || k.Available != onHand-reserved) {
			err = fmt.Errorf("%s: %d on hand, %d reserved; want %d, %d", sku, k.OnHand, k.Reserved, onHand, reserved)
		}
		return err
	})
}

// agree audits the shop at rest.
func agree(t *testing.T, s *harness.Shop) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cfg := audit.Config{URL: s.URL, Services: services.Names(), Optional: services.ConsumersOnly(), HTTP: s.HTTP}
	if err := audit.Rest(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Take(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() {
		t.Errorf("the notes differ:\n%s", strings.Join(report.Differences, "\n"))
	}
}

func TestStockArrivesAndWishesAreNotifiedOnce(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		offer(t, s, "a1", "2.55")
		shows(t, s, "A1", 0)
		item, created, err := s.Wishlist.Wish(t.Context(), "bob", "a1")
		if err != nil || !created || item.Available || item.NotifiedAt != nil || item.Sku != "A1" {
			t.Fatalf("wish is %+v, created %t, %v", item, created, err)
		}
		notified := func(after *time.Time) (at *time.Time) {
			harness.Eventually(t, func(ctx context.Context) error {
				item, err := s.Wishlist.Item(ctx, "bob", "A1")
				if err == nil && (!item.Available || item.NotifiedAt == nil || after != nil && !item.NotifiedAt.After(*after)) {
					err = fmt.Errorf("wish is %+v", item)
				}
				at = item.NotifiedAt
				return err
			})
			return at
		}
		receive(t, s, "r1", "A1", 3)
		shows(t, s, "A1", 3)
		first := notified(nil)
		receive(t, s, "r2", "A1", 4) // more of what is there is no news
		shows(t, s, "A1", 7)
		agree(t, s)
		if item, err := s.Wishlist.Item(t.Context(), "bob", "A1"); err != nil || !item.NotifiedAt.Equal(*first) {
			t.Errorf("notified again: %+v, %v", item, err)
		}
		if _, _, err := s.Inventory.Adjust(t.Context(), inventoryclient.NewAdjustment{ExternalId: "gone", Sku: "A1", Delta: -7, Reason: "burnt"}); err != nil {
			t.Fatal(err)
		}
		shows(t, s, "A1", 0)
		agree(t, s)
		receive(t, s, "r3", "A1", 1)
		notified(first)
		agree(t, s)
	})
}

func TestLifeOfAnOrder(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		for _, sku := range []string{"A", "B"} {
			offer(t, s, sku, "2.50")
			receive(t, s, "open "+sku, sku, 5)
		}
		shows(t, s, "B", 5)
		t.Log("confirmed: stock falls, catalog follows")
		first := place(t, s, orderOf("ann", "a×2", "B×1", "A×1"))
		if first.Total.Amount != "10.00" || len(first.Lines) != 2 || first.Lines[0].Quantity != 3 {
			t.Errorf("order is %+v", first)
		}
		becomes(t, s, first.Id, salesclient.Confirmed)
		stock(t, s, "A", 5, 3)
		shows(t, s, "A", 2)

		t.Log("rejected: the short lines are named, nothing is reserved")
		second := place(t, s, orderOf("ann", "A×3", "B×1"))
		rejected := becomes(t, s, second.Id, salesclient.Rejected)
		if l := rejected.Lines[0]; l.Short == nil || *l.Short != 1 || rejected.Lines[1].Short != nil {
			t.Errorf("lines are %+v", rejected.Lines)
		}
		stock(t, s, "B", 5, 1)

		t.Log("cancelled: released")
		third := place(t, s, orderOf("ann", "A×2"))
		becomes(t, s, third.Id, salesclient.Confirmed)
		stock(t, s, "A", 5, 5)
		must[salesclient.Order](t)(s.Sales.Cancel(t.Context(), third.Id))
		stock(t, s, "A", 5, 3)
		shows(t, s, "A", 2)

		t.Log("shipped: on_hand falls")
		must[salesclient.Order](t)(s.Sales.Ship(t.Context(), first.Id))
		stock(t, s, "A", 2, 0)
		stock(t, s, "B", 4, 0)
		if _, err := s.Sales.Cancel(t.Context(), first.Id); !fault.Is(err, fault.Conflict) {
			t.Errorf("a shipped order was cancelled: %v", err)
		}
		if _, err := s.Sales.Ship(t.Context(), second.Id); !fault.Is(err, fault.Conflict) {
			t.Errorf("a rejected order was shipped: %v", err)
		}

		t.Log("withdrawn: no longer sold")
		if err := s.Catalog.Withdraw(t.Context(), "B"); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, func(ctx context.Context) error {
			if _, _, err := s.Sales.Place(ctx, "", orderOf("ann", "B×1")); !fault.Is(err, fault.Invalid) {
				return errors.Join(errors.New("a withdrawn product is sold"), err)
			}
			return nil
		})
		agree(t, s)
	})
}

func TestLastUnitIsSoldOnce(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		const buyers = 40
		offer(t, s, "LAST", "1.00")
		receive(t, s, "one", "LAST", 1)
		ids := make([]string, buyers)
		var buying sync.WaitGroup
		for i := range ids {
			buying.Go(func() {
				o, _, err := s.Sales.Place(t.Context(), "", orderOf(fmt.Sprint("c", i), "LAST×1"))
				if err != nil {
					t.Error(err)
				}
				ids[i] = o.Id
			})
		}
		buying.Wait()
		count := map[salesclient.OrderStatus]int{}
		harness.Eventually(t, func(ctx context.Context) error {
			orders, err := s.Sales.Orders(ctx, ids)
			clear(count)
			for _, o := range orders {
				count[o.Status]++
			}
			if err == nil && (count[salesclient.Placed] > 0 || len(orders) < buyers) {
				err = fmt.Errorf("orders are %v", count)
			}
			return err
		})
		if count[salesclient.Confirmed] != 1 || count[salesclient.Rejected] != buyers-1 {
			t.Errorf("orders are %v, want 1 confirmed and %d rejected", count, buyers-1)
		}
		agree(t, s)
	})
}

func TestRepeatedRequestPlacesOneOrder(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		offer(t, s, "A", "1.00")
		ids := map[string]bool{}
		var mu sync.Mutex
		var asking sync.WaitGroup
		for range 20 {
			asking.Go(func() {
				for {
					o, _, err := s.Sales.Place(t.Context(), "key-1", orderOf("ann", "A×1"))
					if fault.Is(err, fault.Conflict) {
						continue // its twin is being worked on
					}
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					ids[o.Id] = true
					mu.Unlock()
					return
				}
			})
		}
		asking.Wait()
		if len(ids) != 1 {
			t.Errorf("one key made %d orders", len(ids))
		}
		if _, _, err := s.Sales.Place(t.Context(), "key-1", orderOf("ann", "A×2")); !fault.Is(err, fault.Invalid) {
			t.Errorf("another order under the same key gives %v", err)
		}
		own := "invoice-7"
		byID := orderOf("ann", "A×1")
		byID.ExternalId = &own
		first := must[salesclient.Order](t)(placeOnce(s, t, byID, false))
		if err := s.Catalog.Withdraw(t.Context(), "A"); err != nil {
			t.Fatal(err)
		}
		again := must[salesclient.Order](t)(placeOnce(s, t, byID, true)) // even when it could not be placed now
		if fmt.Sprintf("%+v", first.Lines) != fmt.Sprintf("%+v", again.Lines) || first.Id != again.Id || again.Status != salesclient.Placed {
			t.Errorf("the stored answer is another one: %+v, %+v", first, again)
		}
	})
}

func placeOnce(s *harness.Shop, t *testing.T, o salesclient.NewOrder, replayed bool) (salesclient.Order, error) {
	t.Helper()
	placed, was, err := s.Sales.Place(t.Context(), "", o)
	if err == nil && was != replayed {
		err = fmt.Errorf("replayed is %t", was)
	}
	return placed, err
}

// The character set that a sender declares is the one that its file is read in.
func TestImportInAnotherCharacterSet(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL("inventory")+"/imports", strings.NewReader("external_id;sku;quantity\r\nm\xe4rz;LAT1;5\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", `text/csv; charset="ISO-8859-1"`)
		answer, err := s.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var im inventoryclient.Import
		if err := json.NewDecoder(answer.Body).Decode(&im); err != nil || answer.StatusCode != http.StatusAccepted {
			t.Fatalf("%d, %v", answer.StatusCode, err)
		}
		harness.Eventually(t, func(ctx context.Context) (err error) {
			if im, err = s.Inventory.Import(ctx, im.Id); err == nil && im.Status != inventoryclient.Done {
				err = fmt.Errorf("import is %+v", im)
			}
			return err
		})
		if im.Rejected != 0 {
			t.Errorf("import is %+v", im)
		}
		again := inventoryclient.NewReceipt{ExternalId: "märz", Sku: "LAT1", Quantity: 5}
		if _, created, err := s.Inventory.Receive(t.Context(), again); err != nil || created {
			t.Errorf("the receipt is not known by its ID: %v, %v", created, err)
		}
	})
}

func TestImportContinuesAfterBrokenLines(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		var file strings.Builder
		file.WriteString("external_id,sku,quantity\nx1,a/b,1\nx2,A,many\n")
		for i := range 1200 {
			fmt.Fprintf(&file, "r%d,S%d,2\n", i, i%50)
		}
		file.WriteString("r0,S0,3\n") // the ID was used for another quantity
		for n, want := range []int64{1200, 1200} {
			im := must[inventoryclient.Import](t)(s.Inventory.Upload(t.Context(), strings.NewReader(file.String())))
			harness.Eventually(t, func(ctx context.Context) (err error) {
				if im, err = s.Inventory.Import(ctx, im.Id); err == nil && im.Status != inventoryclient.Done {
					err = fmt.Errorf("import %d is %+v", n, im)
				}
				return err
			})
			if im.Total != 1203 || im.Processed != 1203 || im.Rejected != 3 || len(im.Errors) != 3 || im.Errors[0].Line != 2 || im.Errors[2].Line != 1204 {
				t.Errorf("import %d is %+v", n, im)
			}
			var total int64
			for sku, err := range s.Inventory.AllSKUs(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				total += sku.OnHand
			}
			if total != 2*want {
				t.Errorf("%d pieces on hand after import %d, want %d", total, n, 2*want)
			}
		}
		agree(t, s)
	})
}
