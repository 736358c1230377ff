package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestReceiptsAreImported uploads files of receipts and checks the progress shown and the
// rejected lines.
func TestReceiptsAreImported(t *testing.T) {
	t.Parallel()
	const lines = 20_000
	s := up(t)
	b := open(t, s.base(), "/warehouse")
	b.signIn("walt")
	b.sees("Import receipts from a file")
	// Record every progress text, because it may change before the test reads it.
	b.until(`(window.saw = [], new MutationObserver(() => {
		const e = document.querySelector(".progress-box [role=status]");
		if (e) window.saw.push(e.innerText);
	}).observe(document.body, { subtree: true, childList: true, characterData: true }), true)`)
	b.must(chromedp.Do(b.ctx, chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{receipts(t, lines)})))
	b.sees("receipts.csv", fmt.Sprintf("Done: %d,%03d lines imported, 1 rejected.", (lines-1)/1000, (lines-1)%1000), "Rejected lines")
	b.until(`window.saw.some((s) => / of 20,000 lines, \d+/.test(s))`)
	b.until(`document.querySelector(".progress-box progress").value === 1`)
	b.press("button", "Dismiss result")
	b.until(`!document.querySelector(".progress-box")`)
	b.focusIs("#import")
	b.upload("header.csv", "external_id,sku,quantity\n")
	b.sees("header.csv", "Done: the file has no receipts.")
	b.upload("quote.csv", "external_id,sku,quantity\nr,\"SKU1,1\n")
	b.sees("quote.csv", "Done: 0 lines imported, 1 rejected.", "A quotation mark is missing, or one too many.")
	b.upload("empty.csv", "")
	b.sees("empty.csv is empty.")
	b.until(`!document.querySelector(".progress-box")`)
}

// upload selects a file with this content in the page's file input.
func (b *tab) upload(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	b.must(os.WriteFile(path, []byte(text), 0o600))
	b.must(chromedp.Do(b.ctx, chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{path})))
}

// receipts writes a CSV file with this many receipts, of which the last is invalid, and
// returns its path.
func receipts(t *testing.T, lines int) string {
	t.Helper()
	var all strings.Builder
	all.WriteString("external_id,sku,quantity\n")
	for i := range lines - 1 {
		fmt.Fprintf(&all, "r%d,SKU%d,1\n", i, i%100)
	}
	all.WriteString("bad,SKU1,none\n")
	path := filepath.Join(t.TempDir(), "receipts.csv")
	if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
