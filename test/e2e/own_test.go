package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
	"quadrille/test/harness/identity"
)

// Two customers, each by their own token, on real services: what one has, the other
// cannot see or touch, by whatever spelling.
func TestCustomersSeeOnlyTheirOwn(t *testing.T) {
	harness.Each(t, func(t *testing.T, inside *harness.Shop) {
		v := visit(t, inside)
		ann, bob := "Bearer "+identity.Token("ann"), "Bearer "+identity.Token("bob")
		offer(t, inside, "A", "1.00")
		receive(t, inside, "r", "A", 9)
		placed := is[salesclient.Order](t, v.askAs(ann, "POST", "/api/v1/orders", `{"lines":[{"sku":"A","quantity":1}]}`, "Idempotency-Key", "1"), http.StatusCreated)
		if placed.Customer != "ann" {
			t.Errorf("ann's order is %s's", placed.Customer)
		}
		same := is[salesclient.Order](t, v.askAs(bob, "POST", "/api/v1/orders", `{"lines":[{"sku":"A","quantity":1}]}`, "Idempotency-Key", "1"), http.StatusCreated)
		if same.Id == placed.Id || same.Customer != "bob" {
			t.Errorf("the same key of bob gives %+v", same)
		}
		for _, body := range []string{
			`{"customer":"ann","CUSTOMER":"bob","lines":[{"sku":"A","quantity":1}]}`, `{"Customer":"bob","lines":[{"sku":"A","quantity":1}]}`,
			`{"customer":"ann","\u0063ustomer":"bob","lines":[{"sku":"A","quantity":1}]}`,
		} {
			if a := v.askAs(ann, "POST", "/api/v1/orders", body); a.status < 400 || a.status > 499 {
				t.Errorf("%s gives %d %s", body, a.status, a.body)
			}
		}
		becomes(t, inside, placed.Id, salesclient.Confirmed)
		for _, path := range []string{"", "/", "/cancel", "//cancel"} {
			method := map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(path, "cancel")]
			if a := v.askAs(bob, method, "/api/v1/orders/"+placed.Id+path, ""); a.status != http.StatusNotFound {
				t.Errorf("bob asks %s: %d %s", path, a.status, a.body)
			}
		}
		if page := is[salesclient.OrderPage](t, v.askAs(bob, "GET", "/api/v1/orders?id="+placed.Id, ""), http.StatusOK); len(page.Items) != 0 {
			t.Errorf("bob lists %+v", page.Items)
		}
		if now := is[salesclient.Order](t, v.askAs(ann, "GET", "/api/v1/orders/"+placed.Id, ""), http.StatusOK); now.Status != salesclient.Confirmed {
			t.Errorf("ann's order is %s", now.Status)
		}
		is[map[string]any](t, v.askAs(bob, "PUT", "/api/v1/wishlist/b.1", ""), http.StatusCreated)
		for path, want := range map[string]int{"/api/v1/wishlist/B.1": http.StatusNotFound, "/api/v1/customers/bob/wishlist": http.StatusNotFound, "/api/v1/customers/ann/wishlist": http.StatusOK} {
			if a := v.askAs(ann, "GET", path, ""); a.status != want || strings.Contains(a.body, `"sku":"B.1"`) {
				t.Errorf("ann asks %s: %d %s", path, a.status, a.body)
			}
		}
		if a := v.askAs(bob, "GET", "/api/v1/wishlist", ""); !strings.Contains(a.body, `"B.1"`) {
			t.Errorf("bob's wishes are %d %s", a.status, a.body)
		}
	})
}
