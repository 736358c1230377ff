package timer

import "context"

// firing has the timers of one transaction of a Firer. The Firer deletes them after the
// handler, and rolls back if it finds fewer than it gave to the handler. Set and Cancel
// therefore leave these timers alone: the Firer deletes them anyway, and sets those again
// that the handler has set.
type firing struct {
	kind     string
	subjects map[string]bool
	again    map[string]Timer // set by the handler, by subject
}

type firingKey struct{}

// within returns the context for the handler.
func (f *firing) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, firingKey{}, f)
}

// firingIn returns the firing of which ctx is the handler's context, or nil.
func firingIn(ctx context.Context) *firing {
	f, _ := ctx.Value(firingKey{}).(*firing)
	return f
}

// keep keeps the timers that are being fired, to be set after the deletion, and returns the
// others.
func (f *firing) keep(timers []Timer) (others []Timer) {
	if f == nil {
		return timers
	}
	for _, t := range timers {
		if t.Kind == f.kind && f.subjects[t.Subject] {
			f.again[t.Subject] = t
		} else {
			others = append(others, t)
		}
	}
	return others
}

// without returns the subjects whose timers of a kind are not being fired. It revokes those
// that the handler has set again.
func (f *firing) without(kind string, subjects []string) (others []string) {
	if f == nil || kind != f.kind {
		return subjects
	}
	for _, s := range subjects {
		if f.subjects[s] {
			delete(f.again, s)
		} else {
			others = append(others, s)
		}
	}
	return others
}
