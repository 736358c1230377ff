package inventory

import (
	"context"
	"fmt"
	"time"

	"quadrille/internal/platform/ready"
)

// importsCheck fails if an import makes no progress, on every instance: progress is
// stored in the database. For time without any process it counts from started.
func importsCheck(s *store, started time.Time) ready.Check {
	// quiet is how long an import that is not delayed may make no progress: a large file
	// is read to its end before its first record is stored.
	const quiet = time.Minute
	return ready.Check{
		Name: "imports", Every: 5 * time.Second,
		Remedy: "mend what holds it up and it goes on by itself, or cancel it with DELETE /imports/{id}",
		Probe: func(ctx context.Context) ready.Finding {
			im, err := s.stuckImport(ctx, 2*importPoll)
			switch {
			case err != nil:
				return ready.Finding{Err: err}
			case im == nil:
				return ready.Finding{}
			}
			f := ready.Finding{Err: im.standsStill(), Since: *im.MovedAt}
			if f.Since.Before(started) {
				f.Since = started
			}
			if im.Reason == "" {
				f.FailAfter = quiet
			}
			return f
		},
	}
}

// standsStill returns the error for an import without progress, with the reason.
func (im Import) standsStill() error {
	why := im.Reason
	if why == "" {
		why = "nobody works on it"
	}
	return fmt.Errorf("import %s does not move, at %d of %d lines: %s", im.ID, im.Processed, im.Total, why)
}
