package browser_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"quadrille/test/harness/parts"
)

// running is a browser: the context below which tabs are opened, and its end.
type running struct {
	ctx   context.Context
	close func()
}

// chromium is the one browser: made by whoever needs it first, and closed after all.
var chromium struct {
	sync.Mutex
	*running
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.running != nil {
		chromium.close()
	}
	os.Exit(code)
}

// browser returns the context of the browser, which it starts once.
func browser(t testing.TB) context.Context {
	t.Helper()
	program := parts.Chromium(t)
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.running == nil {
		started, err := launch(program)
		if err != nil {
			t.Fatalf("start %s: %v", program, err)
		}
		chromium.running = started
	}
	return chromium.ctx
}

// launch starts a browser with a fresh profile, which is removed with it.
func launch(program string) (*running, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		release()
		return nil, err
	}
	return &running{ctx, func() { _ = chromedp.Cancel(ctx); release() }}, nil
}
