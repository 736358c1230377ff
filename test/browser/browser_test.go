package browser_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"quadrille/internal/testparts"
)

// chromium is the one browser: made by whoever needs it first, and closed after all.
var chromium struct {
	sync.Mutex

	ctx   context.Context
	close func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.close != nil {
		chromium.close()
	}
	os.Exit(code)
}

// browser is the context of the browser, below which tabs are opened. Its profile is
// fresh, and removed with it.
func browser(t *testing.T) context.Context {
	t.Helper()
	program := testparts.Chromium(t)
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		release()
		t.Fatalf("start %s: %v", program, err)
	}
	chromium.ctx, chromium.close = ctx, func() { _ = chromedp.Cancel(ctx); release() } //nolint:fatcontext // one browser for all tests
	return ctx
}
