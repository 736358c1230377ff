package inventory

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// importer processes uploaded files in the background. Imports get short turns, several
// concurrently, so that none waits for a slow, delayed or invalid one. After a restart
// they continue at their position.
type importer struct {
	store *store
	wake  func()        // there is something to relay
	work  chan struct{} // a file has come
	log   *slog.Logger

	batch      int           // records in a transaction
	within     time.Duration // of a transaction
	turn       time.Duration // how long one import is worked on before others get their turn
	slots      int           // imports that are worked on at the same time
	retryPause time.Duration // before the first retry of an import that cannot continue; doubled each time, up to maxRetryPause

	mu    sync.Mutex
	tries map[string]*try // of the imports that are not over
	freed chan struct{}   // signals a free slot; of size 1
}

// try is the state of one import in this process.
type try struct {
	busy     bool
	served   time.Time // end of its last turn
	failures int       // in a row, without progress between
	next     time.Time // not to be tried before
	batch    int       // records in a transaction, fewer after one that took too long
}

const (
	// importPoll is the interval of polls for imports, needed for files whose instance
	// died after the upload.
	importPoll = 2 * time.Second
	// maxRetryPause limits the time between two attempts at an import.
	maxRetryPause = 30 * time.Second
	// maxPanics is the number of successive panics after which an import fails.
	maxPanics = 3
)

// newImporter makes an importer that works on slots imports at a time.
func newImporter(s *store, wake func(), work chan struct{}, slots int, log *slog.Logger) *importer {
	return &importer{
		store: s, wake: wake, work: work, log: log,
		batch: 500, within: 10 * time.Second, turn: time.Second, slots: slots, retryPause: time.Second,
		tries: map[string]*try{}, freed: make(chan struct{}, 1),
	}
}

// Run works on imports until ctx ends.
func (i *importer) Run(ctx context.Context) error {
	var turns sync.WaitGroup
	defer turns.Wait()
	if err := i.store.discardOldUploads(ctx); err != nil && ctx.Err() == nil {
		i.log.Warn("old uploads were not removed", "error", err)
	}
	for ctx.Err() == nil {
		if err := i.start(ctx, &turns); err != nil && ctx.Err() == nil {
			i.log.Error("cannot find imports, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-i.work:
		case <-i.freed:
		case <-time.After(importPoll):
		}
	}
	return nil
}

// RunOnce gives each import that is due a turn, as far as there are slots, and waits
// for their ends.
func (i *importer) RunOnce(ctx context.Context) error {
	var turns sync.WaitGroup
	defer turns.Wait()
	return i.start(ctx, &turns)
}

// start begins turns of the imports that are due, in the free slots.
func (i *importer) start(ctx context.Context, turns *sync.WaitGroup) error {
	looking, cancel := context.WithTimeout(ctx, i.within)
	defer cancel()
	open, err := i.store.openImports(looking)
	if err != nil {
		return err
	}
	for _, id := range i.due(open) {
		turns.Go(func() {
			err := i.serve(ctx, id)
			i.served(ctx, id, err)
		})
	}
	return nil
}

// due takes the imports whose turn it is: those that waited longest.
func (i *importer) due(open []string) (ids []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	free := i.slots
	for id, t := range i.tries {
		if t.busy {
			free--
		} else if !slices.Contains(open, id) {
			delete(i.tries, id)
		}
	}
	now := time.Now()
	for _, id := range open {
		t := i.tries[id]
		if t == nil {
			t = &try{batch: i.batch}
			i.tries[id] = t
		}
		if !t.busy && !t.next.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return i.tries[a].served.Compare(i.tries[b].served) })
	ids = ids[:min(len(ids), max(free, 0))]
	for _, id := range ids {
		i.tries[id].busy = true
	}
	return ids
}

// served records the result of a turn, frees its slot and schedules the next turn.
func (i *importer) served(ctx context.Context, id string, err error) {
	if errors.Is(err, errOvertaken) || ctx.Err() != nil {
		err = nil
	}
	i.mu.Lock()
	t := i.tries[id]
	t.busy, t.served = false, time.Now()
	if err != nil {
		wait := min(i.retryPause<<min(t.failures, 10), maxRetryPause)
		t.failures++
		t.next = t.served.Add(wait)
	}
	failures, next := t.failures, t.next
	i.mu.Unlock()
	if err != nil {
		i.log.Warn("import is delayed, trying again", "import", id, "error", err, "tries", failures, "next_try_in", time.Until(next).Round(10*time.Millisecond).String())
		i.hold(ctx, id, err)
	}
	select {
	case i.freed <- struct{}{}:
	default:
	}
}

// hold stores the reason of a delay, for readers of the import. It logs errors.
func (i *importer) hold(ctx context.Context, id string, reason error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := i.store.holdUp(ctx, id, explain(reason)); err != nil && ctx.Err() == nil {
		i.log.Debug("reason of the delay was not stored", "import", id, "error", err)
	}
}
