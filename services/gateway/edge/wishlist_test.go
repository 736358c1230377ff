package edge

import (
	"net/http"
	"testing"
)

// A customer's wishes are at /wishlist, and by the customer's name; another's are as
// if they were not there, by whatever spelling.
func TestOwnWishes(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		seen := &notes{}
		d := opened(t, w, Config{}, seen.playAll())
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
				t.Errorf("%s %s by %s gives %d and asks %q, want %d and %q", c.method, c.path, c.who, a.status, got, c.status, c.inner)
			}
		}
		d.ask("GET", prefix+"/wishlist", "", "Authorization", "").refused(t, "nobody", http.StatusUnauthorized, "token_required")
	})
}
