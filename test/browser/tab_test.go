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

// timeout bounds every wait.
const timeout = 30 * time.Second

// tab is an open page in its own browser profile.
type tab struct {
	t    testing.TB
	ctx  context.Context
	base string // where the shop is
	*watch
}

// open opens a page of the shop in a new profile. The test fails for every unexpected
// error that watch records.
func open(t testing.TB, base, path string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base, watch: &watch{over: func() bool { return t.Context().Err() != nil }}}
	b.must(chromedp.Listen(ctx, b.record))
	// Pages pause while hidden, and Chromium shows only one tab at a time.
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

// visit loads an address of the shop.
func (b *tab) visit(path string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
	defer cancel()
	b.must(chromedp.Do(ctx, chromedp.Navigate(b.base+path)))
	b.until(`document.querySelector("h1") && !document.querySelector(".skeleton")`)
}

// look sets the viewport's width and the preferred colour scheme.
func (b *tab) look(width int64, colours string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 900)))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: colours},
		{Name: "prefers-reduced-motion", Value: "reduce"}, // no screenshot in the middle of an animation
	}})
	b.must(err)
}

// js evaluates an expression in the page.
func js[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until an expression in the page is true.
func (b *tab) until(condition string) {
	b.t.Helper()
	deadline := time.After(timeout)
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
			b.t.Fatalf("not within %s: %s (%v)\nThe page is %s", timeout, condition, err, shown)
		}
	}
}

// sees waits until the page shows all texts.
func (b *tab) sees(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("document.body.innerText.includes(%s)", quoted(text)))
	}
}

// missesNow fails the test if the page shows the text now.
func (b *tab) missesNow(text string) {
	b.t.Helper()
	if there, err := js[bool](b, fmt.Sprintf("document.body.innerText.includes(%s)", quoted(text))); err != nil || there {
		b.t.Errorf("%q is on the page (%v)", text, err)
	}
}

// within finds the first enabled element that matches the selector, has the text, and is
// not covered by another.
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

// press clicks an element as soon as it exists, is enabled and is not covered.
func (b *tab) press(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("(() => { const e = %s(%s, %s); e?.focus(); e?.click(); return e; })()", within, quoted(selector), quoted(text)))
}

// enter replaces the text of a field.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(() => { const e = %s(%s, ""); e?.focus(); e?.select?.(); return e && document.activeElement === e; })()`, within, quoted(selector)))
	_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text})
	b.must(err)
	b.until(fmt.Sprintf("document.querySelector(%s).value === %s", quoted(selector), quoted(text)))
}

// signIn signs in through the development menu.
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
