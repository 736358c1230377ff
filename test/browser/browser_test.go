package browser_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"quadrille/test/harness/parts"
)

// running holds the context in which tabs are opened, and the function that closes the
// browser.
type running struct {
	ctx   context.Context
	close func()
}

// chromium is the browser that all tests share. The first test that needs it starts it,
// and TestMain closes it.
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

// browser returns the context of the shared browser and starts it on first use.
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

// launch starts a browser with a temporary profile.
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
