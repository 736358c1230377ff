package browser_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkPixel measures the time from a receipt until the browser has painted the new
// stock on an open page. The change passes inventory, catalog, the gateway and its event
// stream.
func BenchmarkPixel(b *testing.B) {
	s := up(b)
	s.offer("VASE", "Blue vase", 10)
	page := open(b, s.base(), "/")
	page.sees("10 in stock")
	const watched = `new Promise((done) => {
		const look = () => {
			if (!document.body.innerText.includes(%q)) return false;
			requestAnimationFrame(() => setTimeout(() => done(Date.now())));
			return true;
		};
		if (!look()) { const o = new MutationObserver(() => look() && o.disconnect()); o.observe(document.body, { subtree: true, childList: true, characterData: true }); }
	})`
	const receipts = 30
	for range b.N {
		var took []time.Duration
		for range receipts {
			var before int
			text, err := js[string](page, `document.querySelector(".card").innerText.match(/(\d+) in stock/)[1]`)
			page.must(err)
			before, err = strconv.Atoi(text)
			page.must(err)
			painted := make(chan float64, 1)
			go func() {
				at, err := js[float64](page, fmt.Sprintf(watched, strconv.Itoa(before+1)+" in stock"))
				if err != nil {
					b.Error(err)
				}
				painted <- at
			}()
			time.Sleep(400 * time.Millisecond) // let the page's throttle of 300 ms pass, as in a quiet shop
			began := time.Now()
			s.receive(fmt.Sprint("r", began.UnixNano()), "VASE", 1)
			took = append(took, time.UnixMilli(int64(<-painted)).Sub(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[receipts/2].Milliseconds()), "p50_ms")
		b.ReportMetric(float64(took[receipts-1].Milliseconds()), "worst_ms")
		b.ReportMetric(0, "ns/op")
	}
}
