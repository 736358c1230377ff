package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// view is a way to look at a page.
type view struct {
	width   int64
	colours string
}

var views = []view{{390, "light"}, {390, "dark"}, {1440, "light"}, {1440, "dark"}}

// Every page, narrow and wide, light and dark: nothing keeps people out, nothing goes
// wrong unseen, nothing is cut off; and a picture of it.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := up(t)
	order := s.furnish()
	b := open(t, s.base(), "/")
	b.signIn("stella")
	b.press("button.take", "Add to basket: Blue vase")
	for _, page := range []struct{ name, path, shows string }{
		{"shop", "/", "Sold out"},
		{"nothing-found", "/?q=unicorn", "Nothing found"},
		{"product", "/products/VASE", "Made by hand."},
		{"sold-out", "/products/LAMP", "Sold out"},
		{"basket", "/basket", "Order as stella"},
		{"orders", "/orders", "Blue vase"},
		{"order", "/orders/" + order, "Everything is set aside"},
		{"wishlist", "/wishlist", "Gold lamp"},
		{"warehouse", "/warehouse", "Receive goods"},
		{"floor", "/floor", "All services are ready."},
		{"traces", "/floor/traces?subject=" + order, "sales"},
		{"dead-letters", "/floor/dead-letters", "The owner did not answer"},
		{"docs", "/api/v1/docs", "OpenAPI document"},
		{"nowhere", "/nowhere", "There is nothing here"},
	} {
		t.Run(page.name, func(t *testing.T) {
			b := b.in(t)
			b.expect("404 (Not Found) " + s.base() + "/nowhere")
			b.visit(page.path)
			b.sees(page.shows)
			b.seen(page.name)
		})
	}
	t.Run("signing-in", func(t *testing.T) {
		b := b.in(t)
		b.visit("/")
		b.press(".person", "stella")
		b.sees("Or under another name")
		b.seen("signing-in")
	})
}

// in is the same tab for a part of a test.
func (b *tab) in(t *testing.T) *tab {
	part := *b
	part.t = t
	return &part
}

// seen looks at the page in each way.
func (b *tab) seen(name string) {
	b.t.Helper()
	for _, v := range views {
		b.look(v.width, v.colours)
		_, err := js[bool](b, "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
		b.must(err)
		over, err := js[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
		b.must(err)
		if over > 0 {
			b.t.Errorf("at %d px the page is %d px too wide", v.width, over)
		}
		b.picture(fmt.Sprintf("%s-%d-%s.png", name, v.width, v.colours))
		for _, barrier := range b.barriers() {
			b.t.Errorf("at %d px, %s: %s", v.width, v.colours, barrier)
		}
	}
	b.behaved()
}

// picture leaves a picture of the whole page where pictures are wanted.
func (b *tab) picture(file string) {
	b.t.Helper()
	folder := os.Getenv("QUADRILLE_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	b.must(err)
	b.must(os.MkdirAll(folder, 0o755))
	b.must(os.WriteFile(filepath.Join(folder, file), picture, 0o644))
}

// furnish puts something on every page; it returns the ID of an order that is
// confirmed.
func (s *shop) furnish() string {
	s.t.Helper()
	s.offer("VASE", "Blue vase", 9)
	s.offer("BOWL", "Green bowl with a name that is longer than most names of bowls are", 4)
	s.offer("LAMP", "Gold lamp", 0)
	s.ask("PUT", "/api/v1/wishlist/LAMP", nil, http.StatusCreated)
	s.bury("VASE", "the owner did not answer")
	var order struct{ ID string }
	placed := s.ask("POST", "/api/v1/orders", map[string]any{"lines": []map[string]any{{"sku": "VASE", "quantity": 2}, {"sku": "BOWL", "quantity": 1}}, "external_id": "first"}, http.StatusCreated)
	if err := json.Unmarshal(placed, &order); err != nil || order.ID == "" {
		s.t.Fatalf("the order is %s (%v)", placed, err)
	}
	return order.ID
}
