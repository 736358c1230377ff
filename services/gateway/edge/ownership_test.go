package edge

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// fakeSales returns a gateway in front of a sales service with one order of ann's, o-1,
// and the recorder of its requests.
func fakeSales(t *testing.T, w way) (*testGateway, *requestLog) {
	t.Helper()
	return only(t, w, func(w http.ResponseWriter, r *http.Request) {
		order := `{"id":"o-1","customer":"ann","status":"placed","lines":[],"total":{"amount":"1.00","currency":"GBP"},"version":1,"placed_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z"}`
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/orders" && r.URL.Query().Get("id") == "o-1":
			_, _ = w.Write([]byte(`{"items":[` + order + `]}`))
		case r.Method == http.MethodGet && r.URL.Path == "/orders":
			_, _ = w.Write([]byte(`{"items":[]}`))
		default:
			_, _ = w.Write([]byte(order))
		}
	})
}

func as(name string) []string { return []string{"Authorization", "Bearer " + name} }

// A customer can read and change only the customer's own orders. The response for another
// customer's order equals, byte for byte, that for an unknown one.
func TestRestrictsCustomersToOwnOrders(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, seen := fakeSales(t, w)
		for _, c := range []struct {
			who, method, path string
			status            int
		}{
			{"ann", "GET", "/orders/o-1", http.StatusOK},
			{"ann", "HEAD", "/orders/o-1", http.StatusOK},
			{"ann", "POST", "/orders/o-1/cancel", http.StatusOK},
			{"bob", "GET", "/orders/o-1", http.StatusNotFound},
			{"bob", "HEAD", "/orders/o-1", http.StatusNotFound},
			{"bob", "POST", "/orders/o-1/cancel", http.StatusNotFound},
			{"bob", "GET", "/orders/o-2", http.StatusNotFound},
			{"bob", "GET", "/orders/o-1/", http.StatusNotFound},
			{"bob", "GET", "/orders/%6f-1", http.StatusNotFound},
			{"bob", "POST", "/orders/o-1/ship", http.StatusForbidden},
			{"ann", "POST", "/orders/o-1/ship", http.StatusForbidden},
			{"ann", "POST", "/orders/o-1/%73hip", http.StatusNotFound},
			{"warehouse", "POST", "/orders/o-1/ship", http.StatusOK},
			{"warehouse", "GET", "/orders/o-1", http.StatusOK},
			{"warehouse", "POST", "/orders/o-1/cancel", http.StatusForbidden},
			{"staff", "GET", "/orders/o-1", http.StatusOK},
			{"staff", "POST", "/orders/o-1/cancel", http.StatusOK},
			{"staff", "POST", "/orders/o-1/ship", http.StatusForbidden},
		} {
			a := d.ask(c.method, prefix+c.path, "", append(as(c.who), "If-None-Match", `"1"`)...)
			if a.status != c.status {
				t.Errorf("%s of %s by %s gives %d %s, want %d", c.method, c.path, c.who, a.status, a.body, c.status)
			}
			for _, asked := range seen.take() {
				if c.status != http.StatusOK && !strings.HasPrefix(asked.uri, "/orders?id=") {
					t.Errorf("%s of %s by %s reaches sales: %s", c.method, c.path, c.who, asked.uri)
				}
			}
		}
		others := d.ask("GET", prefix+"/orders/o-1", "", as("bob")...)
		nobodys := d.ask("GET", prefix+"/orders/o-2", "", as("bob")...)
		others.refused(t, "another's order", http.StatusNotFound, "order_unknown")
		if strings.ReplaceAll(others.body, "o-1", "o-2") != nobodys.body {
			t.Errorf("the response for another customer's order, %s, differs from that for an unknown one, %s", others.body, nobodys.body)
		}
	})
}

func TestRestrictsOrderListsToCaller(t *testing.T) {
	d, seen := fakeSales(t, overHTTP)
	for _, c := range []struct{ who, query, want string }{
		{"ann", "", "customer=ann"},
		{"ann", "?status=placed&limit=2", "customer=ann&limit=2&status=placed"},
		{"ann", "?customer=ann", "customer=ann"},
		{"ann", "?customer=bob", ""},
		{"ann", "?customer=ann&customer=bob", ""},
		{"ann", "?customer", ""},
		{"ann", "?Customer=bob&x=;", "Customer=bob&customer=ann"},
		{"ann", "?%63ustomer=bob", ""},
		{"warehouse", "?status=confirmed", "status=confirmed"},
		{"staff", "?customer=bob", "customer=bob"},
	} {
		a := d.ask("GET", prefix+"/orders"+c.query, "", as(c.who)...)
		asked := seen.take()
		if c.want == "" {
			a.refused(t, c.query, http.StatusForbidden, "not_yours")
			continue
		}
		if len(asked) != 1 || asked[0].uri != "/orders?"+c.want {
			t.Errorf("%s requests %s: sales received %v, want %s", c.who, c.query, asked, c.want)
		}
	}
}

func TestSetsCallerAsCustomer(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, seen := fakeSales(t, w)
		for _, c := range []struct{ who, body, customer, code string }{
			{"ann", `{"lines":[]}`, "ann", ""},
			{"ann", `{"customer":"ann","lines":[]}`, "ann", ""},
			{"ann", `{"customer":"bob","lines":[]}`, "", "not_yours"},
			{"ann", `{"customer":null,"lines":[]}`, "", "not_yours"},
			{"ann", `{"customer":["ann"],"lines":[]}`, "", "not_yours"},
			{"ann", `{"customer":"ann","customer":"bob"}`, "", "not_yours"},
			{"ann", `{"customer":"bob","customer":"ann"}`, "ann", ""},
			{"staff", `{"customer":"bob","lines":[]}`, "bob", ""},
			{"staff", `{"lines":[]}`, "", "customer_required"},
			{"warehouse", `{"customer":"bob","lines":[]}`, "", "role_required"},
		} {
			a := d.ask("POST", prefix+"/orders", c.body, as(c.who)...)
			asked := seen.take()
			if c.code != "" {
				if !strings.Contains(a.body, `"code":"`+c.code+`"`) || len(asked) != 0 {
					t.Errorf("%s sends %s: %d %s, want %s", c.who, c.body, a.status, a.body, c.code)
				}
				continue
			}
			var got struct{ Customer string }
			if len(asked) != 1 || json.Unmarshal([]byte(asked[0].body), &got) != nil || got.Customer != c.customer {
				t.Errorf("%s sends %s: sales received %v", c.who, c.body, asked)
			}
		}
		for _, body := range []string{"", "{", "[]", `"x"`, "null"} { // sales says what is wrong
			d.ask("POST", prefix+"/orders", body, as("ann")...)
			if asked := seen.take(); len(asked) != 1 || asked[0].body != body {
				t.Errorf("%q reaches sales as %v", body, asked)
			}
		}
	})
}

// A customer's wishlist is at /wishlist and below the customer's name. Another customer's
// wishlist is not found, whatever the encoding of its path.
func TestRestrictsCustomersToOwnWishlist(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		seen := &requestLog{}
		d := opened(t, w, Config{}, seen.serveAll())
		for _, c := range []struct {
			who, method, path string
			status            int
			inner             string
		}{
			{"ann", "GET", "/wishlist", 200, "/customers/ann/wishlist"},
			{"ann", "GET", "/wishlist?limit=5&after=x", 200, "/customers/ann/wishlist?limit=5&after=x"},
			{"ann", "PUT", "/wishlist/A%2FB", 200, "/customers/ann/wishlist/A%2FB"},
			{"ann", "PUT", "/wishlist/%41", 200, "/customers/ann/wishlist/%41"},
			{"bob", "DELETE", "/wishlist/A", 200, "/customers/bob/wishlist/A"},
			{"ann", "GET", "/customers/ann/wishlist", 200, "/customers/ann/wishlist"},
			{"ann", "GET", "/customers/%61nn/wishlist/A", 200, "/customers/%61nn/wishlist/A"},
			{"ann", "GET", "/customers/bob/wishlist", 404, ""},
			{"ann", "PUT", "/customers/bob/wishlist/A", 404, ""},
			{"ann", "DELETE", "/customers/%62ob/wishlist/A", 404, ""},
			{"ann", "GET", "/customers/Ann/wishlist", 404, ""},
			{"ann", "GET", "/customers//wishlist", 404, ""},
			{"ann", "GET", "/customers/ann%2F..%2Fbob/wishlist", 404, ""},
			{"ann", "GET", "/customers", 404, ""},
			{"ann", "PUT", "/wishlist/../customers/bob/wishlist/A", 404, ""},
			{"ann", "PUT", "/wishlist/..%2F..%2Fbob%2Fwishlist%2FA", 404, ""},
			{"warehouse", "GET", "/wishlist", 403, ""},
			{"staff", "GET", "/customers/ann/wishlist", 403, ""}, // staff sees wishes as events alone
		} {
			r := d.request(c.method, prefix+c.path, "", as(c.who)...)
			a := d.do(r)
			got := ""
			for _, asked := range seen.take() {
				got += asked.uri
			}
			if a.status != c.status || got != c.inner {
				t.Errorf("%s %s by %s gives %d and forwards %q, want %d and %q", c.method, c.path, c.who, a.status, got, c.status, c.inner)
			}
		}
		d.ask("GET", prefix+"/wishlist", "", "Authorization", "").refused(t, "nobody", http.StatusUnauthorized, "token_required")
	})
}
