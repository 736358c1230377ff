package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// patience is how long anything may take that a person waits for.
const patience = 30 * time.Second

// tab is a page that a person has open, in a profile of their own.
type tab struct {
	t    testing.TB
	ctx  context.Context
	base string // where the shop is
	*watch
}

// open opens a page of the shop in a new profile, and holds it to the manners that
// all pages have: see watch.
func open(t testing.TB, base, path string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base, watch: &watch{over: func() bool { return t.Context().Err() != nil }}}
	b.must(chromedp.Listen(ctx, b.note))
	// Chromium shows one tab at a time, and pages rest while nobody looks.
	_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.must(err)
	b.look(1440, "light")
	t.Cleanup(func() { b.behaved() })
	b.visit(path)
	return b
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// visit goes to an address of the shop, as if it was typed.
func (b *tab) visit(path string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	b.must(chromedp.Do(ctx, chromedp.Navigate(b.base+path)))
	b.until(`document.querySelector("h1") && !document.querySelector(".skeleton")`)
}

// look gives the page a width and the colours that the system prefers.
func (b *tab) look(width int64, colours string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 900)))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: colours},
		{Name: "prefers-reduced-motion", Value: "reduce"}, // no picture of something half way
	}})
	b.must(err)
}

// js evaluates an expression in the page.
func js[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until an expression in the page is true.
func (b *tab) until(condition string) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		holds, err := js[bool](b, "Boolean("+condition+")")
		if err == nil && holds {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			shown, _ := js[string](b, "location.pathname + '\\n' + document.body.innerText")
			b.t.Fatalf("not within %s: %s (%v)\nThe page is %s", patience, condition, err, shown)
		}
	}
}

// sees waits until all texts are to be read on the page.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("document.body.innerText.includes(%s)", quoted(text)))
	}
}

// missesNow fails where a text is to be read on the page just now.
func (b *tab) missesNow(text string) {
	b.t.Helper()
	if there, err := js[bool](b, fmt.Sprintf("document.body.innerText.includes(%s)", quoted(text))); err != nil || there {
		b.t.Errorf("%q is on the page (%v)", text, err)
	}
}

// within is the first element that fits the selector, says the text, and is where a
// pointer would meet it.
const within = `((selector, text) => {
	const said = (e) => (e.getAttribute("aria-label") ?? e.textContent ?? "").replace(/\s+/g, " ").trim();
	for (const e of document.querySelectorAll(selector)) {
		if (!said(e).includes(text) || e.disabled || e.ariaDisabled === "true") continue;
		e.scrollIntoView({ block: "center", behavior: "instant" });
		const box = e.getBoundingClientRect();
		const met = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
		if (met && (e.contains(met) || met.contains(e) && met.tagName === "LABEL")) return e;
	}
	return null;
})`

// press clicks a thing once it is there, is enabled, and nothing covers it.
func (b *tab) press(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("(() => { const e = %s(%s, %s); e?.focus(); e?.click(); return e; })()", within, quoted(selector), quoted(text)))
}

// enter types text into a field, in place of what is there.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(() => { const e = %s(%s, ""); e?.focus(); e?.select?.(); return e && document.activeElement === e; })()`, within, quoted(selector)))
	_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text})
	b.must(err)
	b.until(fmt.Sprintf("document.querySelector(%s).value === %s", quoted(selector), quoted(text)))
}

// signIn signs in by the menu of a shop on somebody's own machine.
func (b *tab) signIn(who string) {
	b.t.Helper()
	b.press("header button", "Sign in")
	b.press("dialog .accounts button", who)
	b.until(fmt.Sprintf(`!document.querySelector("dialog") && document.querySelector(".account")?.innerText.includes(%s)`, quoted(who)))
}

func quoted(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a string, which cannot be
	}
	return strings.ToValidUTF8(string(literal), "")
}
