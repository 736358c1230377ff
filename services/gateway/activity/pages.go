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
	tablePage    = 500             // notes of a page: 1 to 500, 501 to 1000 and so on
	tableTimeout = 5 * time.Second // for reading one
	tableReads   = 4               // pages read at a time, so that other requests get a connection
	cachedPages  = 16              // of those that are full
)

// pages is what streams read that the ring has no more. After an outage clients come
// back by the thousand, to the same place: what one reads is for all who want it.
type pages struct {
	store   *store
	slots   chan struct{}
	reading singleflight.Group
	full    *lru.Cache[int64, []*rendered] // their notes do not change any more
}

func newPages(s *store) (*pages, error) {
	full, err := lru.New[int64, []*rendered](cachedPages)
	return &pages{store: s, slots: make(chan struct{}, tableReads), full: full}, err
}

// after is the notes behind seq that follow each other without a gap, up to the end
// of a page; none where there are none. The first may be further on than the next
// number: what is between is missing.
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

// contiguousAfter is the notes after seq, up to the first gap among them.
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

// page is the nth page, read at once for all who ask for it.
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

// read waits for its turn, and only then does its time begin.
func (p *pages) read(n int64) ([]*rendered, error) {
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	o, err := p.store.origin(ctx)
	if err != nil {
		return nil, err
	}
	notes, err := p.store.between(ctx, n*tablePage, (n+1)*tablePage)
	if err != nil {
		return nil, err
	}
	page := o.renderAll(notes)
	if len(page) > 0 && page[len(page)-1].Seq == (n+1)*tablePage {
		p.full.Add(n, page)
	}
	return page, nil
}
