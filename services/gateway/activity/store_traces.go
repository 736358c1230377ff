package activity

import (
	"context"
	"slices"

	"quadrille/internal/db"
)

// tracesOf is how many of a subject's latest events are followed.
const tracesOf = 50

// correlated is the newest notes of a correlation, up to limit, newest first.
func (s *store) correlated(ctx context.Context, correlation string, limit int) ([]Note, error) {
	var notes []Note
	err := s.db.WithContext(ctx).Where("correlation = ?", correlation).Order("seq DESC").Limit(limit).Find(&notes).Error
	return notes, db.Wrap(err, "read correlation")
}

// about is a subject's newest notes and, as far as limit goes, what else belongs to
// their correlations: those of the newest first. Newest notes count first within
// each, too, so that one import of a million lines costs no more than a short one.
func (s *store) about(ctx context.Context, subject string, limit int) ([]Note, error) {
	var notes []Note
	err := s.db.WithContext(ctx).Where("subject = ?", subject).Order("seq DESC").Limit(min(limit, tracesOf)).Find(&notes).Error
	if err != nil {
		return nil, db.Wrap(err, "read notes of subject")
	}
	here := map[int64]bool{}
	var correlations []string
	for _, n := range notes {
		here[n.Seq] = true
		if !slices.Contains(correlations, n.Correlation) {
			correlations = append(correlations, n.Correlation)
		}
	}
	for _, c := range correlations {
		if len(notes) >= limit {
			break
		}
		others, err := s.correlated(ctx, c, limit)
		if err != nil {
			return nil, err
		}
		others = slices.DeleteFunc(others, func(n Note) bool { return here[n.Seq] })
		notes = append(notes, others[:min(len(others), limit-len(notes))]...)
	}
	return notes, nil
}
