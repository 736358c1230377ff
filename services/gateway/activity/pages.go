package activity

import (
	"context"
	"slices"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	tablePage    = 500             // activities in a page: 1 to 500, 501 to 1000 and so on
	tableTimeout = 5 * time.Second // for one page
	tableReads   = 4               // concurrent reads, so that other requests get a connection
	cachedPages  = 16              // complete pages in memory
)

// pages reads activities that the ring no longer holds. After an outage thousands of
// clients resume at the same position: each page is read once for all of them.
type pages struct {
	store   *store
	slots   chan struct{}
	reading singleflight.Group
	full    *lru.Cache[int64, []*rendered] // complete pages do not change
}

func newPages(s *store) (*pages, error) {
	full, err := lru.New[int64, []*rendered](cachedPages)
	return &pages{store: s, slots: make(chan struct{}, tableReads), full: full}, err
}

// after returns the activities behind seq, without a gap, up to the end of a page;
// none where there are none. If activities after seq are missing, the first one
// returned has a higher number than seq+1.
func (p *pages) after(ctx context.Context, seq int64) ([]*rendered, error) {
	found, err := p.page(ctx, seq/tablePage)
	if err != nil {
		return nil, err
	}
	if found = contiguousAfter(found, seq); len(found) > 0 {
		return found, nil
	}
	next, err := p.store.after(ctx, seq, 1) // the rest of the page may be missing
	if err != nil || len(next) == 0 {
		return nil, err
	}
	o, err := p.store.origin(ctx)
	return o.renderAll(next), err
}

// contiguousAfter returns the activities after seq, up to the first gap.
func contiguousAfter(page []*rendered, seq int64) []*rendered {
	from := slices.IndexFunc(page, func(t *rendered) bool { return t.Seq > seq })
	if from < 0 {
		return nil
	}
	page = page[from:]
	for i, t := range page {
		if t.Seq != page[0].Seq+int64(i) {
			return page[:i]
		}
	}
	return page
}

// page returns page n. Concurrent calls share one read.
func (p *pages) page(ctx context.Context, n int64) ([]*rendered, error) {
	if full, ok := p.full.Get(n); ok {
		return full, nil
	}
	read := p.reading.DoChan(strconv.FormatInt(n, 10), func() (any, error) { return p.read(n) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-read:
		page, _ := r.Val.([]*rendered)
		return page, r.Err
	}
}

// read waits for a slot. Its timeout starts after that.
func (p *pages) read(n int64) ([]*rendered, error) {
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	o, err := p.store.origin(ctx)
	if err != nil {
		return nil, err
	}
	activities, err := p.store.between(ctx, n*tablePage, (n+1)*tablePage)
	if err != nil {
		return nil, err
	}
	page := o.renderAll(activities)
	if len(page) > 0 && page[len(page)-1].Seq == (n+1)*tablePage {
		p.full.Add(n, page)
	}
	return page, nil
}
