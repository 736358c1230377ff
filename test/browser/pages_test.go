package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"quadrille/test/harness/long"
)

// view is a combination of viewport width, colour scheme and text size.
type view struct {
	width   int64
	colours string
	text    int // percent of the usual size
}

// Every page is checked at the sizes in views, and for space only at those in tight: a
// small phone, and text at twice the size.
var (
	views = []view{{390, "light", 100}, {390, "dark", 100}, {1440, "light", 100}, {1440, "dark", 100}}
	tight = []view{{320, "light", 100}, {390, "light", 200}}
)

// TestEveryPage checks every page, narrow and wide, light and dark, for accessibility
// barriers, errors on the console and cut-off content. It saves screenshots on request. The short form has
// half of the views.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := up(t)
	order := s.furnish()
	b := open(t, s.base(), "/")
	b.signIn("stella")
	b.press("button.product-action", "Add to basket: Blue vase")
	for _, page := range []struct{ name, path, shows string }{
		{"shop", "/", "Sold out"},
		{"nothing-found", "/?q=unicorn", "No products found"},
		{"product", "/products/VASE", "Made by hand."},
		{"sold-out", "/products/LAMP", "Sold out"},
		{"basket", "/basket", "Order as stella"},
		{"orders", "/orders", "Blue vase"},
		{"order", "/orders/" + order, "All items are reserved"},
		{"wishlist", "/wishlist", "Gold lamp"},
		{"warehouse", "/warehouse", "Receive goods"},
		{"operations", "/operations", "All services are ready."},
		{"traces", "/operations/traces?subject=" + order, "sales"},
		{"dead-letters", "/operations/dead-letters", "The owner did not answer"},
		{"discarded", "/operations/dead-letters?state=discarded", "which nobody needs"},
		{"tasks", "/operations/tasks", "all of them run as planned"},
		{"docs", "/api/v1/docs", "OpenAPI document"},
		{"nowhere", "/nowhere", "Page not found"},
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
		b.press(".account", "stella")
		b.sees("Or use another name")
		b.seen("signing-in")
	})
}

// in returns the tab for use in a subtest.
func (b *tab) in(t *testing.T) *tab {
	part := *b
	part.t = t
	return &part
}

// seen checks the page in every view.
func (b *tab) seen(name string) {
	b.t.Helper()
	for _, v := range long.Pick([]view{views[0], views[3]}, views) {
		b.looked(name, v)
		for _, barrier := range b.barriers() {
			b.t.Errorf("at %d px, %s: %s", v.width, v.colours, barrier)
		}
	}
	for _, v := range long.Pick(tight[:1], tight) {
		b.looked(name, v)
	}
	b.text(100)
	b.behaved()
}

// looked checks the space on the page in one view and takes a screenshot.
func (b *tab) looked(name string, v view) {
	b.t.Helper()
	b.look(v.width, v.colours)
	b.text(v.text)
	if !slices.Contains(tight, v) {
		for _, what := range b.broken() {
			b.t.Errorf("at %d px: %s", v.width, what)
		}
	}
	for _, what := range b.cramped() {
		b.t.Errorf("at %d px, text at %d %%: %s", v.width, v.text, what)
	}
	b.picture(fmt.Sprintf("%s-%d-%s-%d.png", name, v.width, v.colours, v.text))
}

// text sets the text size, in percent of the default.
func (b *tab) text(percent int) {
	b.t.Helper()
	_, err := js[bool](b, fmt.Sprintf(`(document.documentElement.style.fontSize = "%d%%", true)`, percent))
	b.must(err)
}

// cramped reports a page that is wider than the window, and text in drawings that is
// smaller than 11 px.
func (b *tab) cramped() []string {
	b.t.Helper()
	// Drawings learn their size after one frame and are rendered again before the next.
	_, err := js[bool](b, "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20, true))))")
	b.must(err)
	found, err := js[[]string](b, `(() => {
		const page = document.documentElement, over = page.scrollWidth - page.clientWidth;
		const size = (text) => parseFloat(getComputedStyle(text).fontSize) * Math.abs(text.getScreenCTM().d);
		return [
			...(over > 0 ? ["the page is " + over + " px too wide"] : []),
			...[...document.querySelectorAll("svg text")].filter((text) => text.textContent && size(text) < 11)
				.map((text) => "“" + text.textContent + "” in a drawing is " + size(text).toFixed(1) + " px high"),
		];
	})()`)
	b.must(err)
	return found
}

// broken reports short texts that take two lines: dates, labels of fields that share a line,
// and the links to the pages. It also reports a search field too narrow for an ID.
func (b *tab) broken() []string {
	b.t.Helper()
	found, err := js[[]string](b, `(() => {
		const lines = (e) => new Set([...e.getClientRects()].map((r) => Math.round(r.top))).size;
		const text = (e) => { const range = document.createRange(); range.selectNodeContents(e); return range; };
		const narrow = document.querySelector("#trace-text")?.clientWidth < 200;
		return [
			...[...document.querySelectorAll(".date, .pair label")].filter((e) => lines(text(e)) > 1).map((e) => "“" + e.textContent + "” takes two lines"),
			...(new Set([...document.querySelectorAll(".masthead nav li")].map((e) => e.offsetTop)).size > 1 ? ["the links to the pages take two lines"] : []),
			...(narrow ? ["the search field is too narrow for an ID"] : []),
		];
	})()`)
	b.must(err)
	return found
}

// TestCrampedPagesAreFound checks that cramped and broken find a page that is too wide, text
// that is too small, a broken date and link list, and a narrow search field.
func TestCrampedPagesAreFound(t *testing.T) {
	t.Parallel()
	b := open(t, up(t).base(), "/")
	b.sees("No products yet")
	if found := b.cramped(); len(found) > 0 {
		t.Errorf("there is room, but: %q", found)
	}
	if found := b.broken(); len(found) > 0 {
		t.Errorf("nothing is broken, but: %q", found)
	}
	_, err := js[bool](b, `(() => {
		const narrow = Object.assign(document.createElement("p"), { innerHTML: '<span class="date">Nov 28, 2026</span><input id="trace-text">', style: "width: 4rem" });
		document.querySelector("main").append(narrow);
		document.querySelector(".masthead nav ul").append(Object.assign(document.createElement("li"), { textContent: "Link", style: "width: 100%" }));
		document.querySelector("main").append(Object.assign(document.createElement("pre"), { textContent: "wide".repeat(999) }));
		const drawing = document.querySelector("svg").appendChild(document.createElementNS("http://www.w3.org/2000/svg", "text"));
		drawing.textContent = "tiny"; // 16 in a drawing that is shrunk to half its size
		return true;
	})()`)
	b.must(err)
	found := strings.Join(append(b.cramped(), b.broken()...), "\n")
	for _, want := range []string{"too wide", "“tiny” in a drawing", "“Nov 28, 2026” takes two lines", "the links to the pages take two lines", "too narrow for an ID"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not found: %s", want, found)
		}
	}
}

// picture saves a screenshot of the whole page if QUADRILLE_SCREENSHOTS is set.
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

// furnish creates data for every page and returns the ID of a confirmed order.
func (s *shop) furnish() string {
	s.t.Helper()
	s.offer("VASE", "Blue vase", 9)
	s.offer("BOWL", "Green bowl with a name that is longer than most names of bowls are", 4)
	s.offer("LAMP", "Gold lamp", 0)
	s.ask("PUT", "/api/v1/wishlist/LAMP", nil, http.StatusCreated)
	s.addDeadLetter("VASE", "the owner did not answer")
	s.addLetter("VASE", "", "behind", time.Time{}, "")
	s.addLetter("VASE", "", "behind", time.Time{}, "")
	s.addLetter("BOWL", "GET http://127.0.0.1:8081/skus/BOWL: 422 Unprocessable Entity", "parked", time.Now().Add(8*time.Minute), "")
	s.addLetter("LAMP", "the owner refused", "discarded", time.Time{}, "a test of last week, which nobody needs")
	var order struct{ ID string }
	placed := s.ask("POST", "/api/v1/orders", map[string]any{"lines": []map[string]any{{"sku": "VASE", "quantity": 2}, {"sku": "BOWL", "quantity": 1}}, "external_id": "first"}, http.StatusCreated)
	if err := json.Unmarshal(placed, &order); err != nil || order.ID == "" {
		s.t.Fatalf("the order is %s (%v)", placed, err)
	}
	return order.ID
}
