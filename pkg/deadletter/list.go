package deadletter

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"gorm.io/gorm"
)

// Filter selects letters. An empty field matches every letter.
type Filter struct {
	State   string
	Stream  string
	Type    string
	Subject string
	Error   string // a substring of Error, ignoring case, or a whole Cause
}

func (f Filter) of(db *gorm.DB) *gorm.DB {
	q := db.Model(&Letter{})
	for column, value := range map[string]string{"state": f.State, "stream": f.Stream, "type": f.Type, "subject": f.Subject} {
		if value != "" {
			q = q.Where(column+" = ?", value)
		}
	}
	if f.Error != "" {
		part := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Error))
		q = q.Where(`cause = ? OR lower(error) LIKE ? ESCAPE '\'`, f.Error, "%"+part+"%")
	}
	return q
}

// List returns up to limit letters with IDs above after, oldest first.
func List(ctx context.Context, db *gorm.DB, f Filter, after int64, limit int) ([]Letter, error) {
	var letters []Letter
	err := f.of(db.WithContext(ctx)).Where("id > ?", after).Order("id").Limit(limit).Find(&letters).Error
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return letters, nil
}

// ListNewest returns up to limit letters with IDs below before, newest first. 0 selects the
// newest letters.
func ListNewest(ctx context.Context, db *gorm.DB, f Filter, before int64, limit int) ([]Letter, error) {
	q := f.of(db.WithContext(ctx))
	if before > 0 {
		q = q.Where("id < ?", before)
	}
	var letters []Letter
	if err := q.Order("id DESC").Limit(limit).Find(&letters).Error; err != nil {
		return nil, fmt.Errorf("list newest dead letters: %w", err)
	}
	return letters, nil
}

// Group counts the letters that have the same type and cause.
type Group struct {
	Type   string
	Cause  string
	Count  int64
	Behind int64 // letters that wait for a letter of the group
}

// joinWaiting is an SQL join. It adds to each letter the number of letters that wait for it,
// or NULL. It counts each sequence once, since a subject may have thousands of letters.
const joinWaiting = `LEFT JOIN (SELECT subscriber AS in_subscriber, stream AS in_stream, subject AS in_subject, MIN(id) AS first_waiting, COUNT(*) AS waiting
		FROM dead_letters WHERE state = 'behind' AND closed_at IS NULL GROUP BY subscriber, stream, subject) AS sequences
	ON in_subscriber = subscriber AND in_stream = stream AND in_subject = subject AND first_waiting > id AND state <> 'behind' AND closed_at IS NULL`

// maxGroups bounds the result of Groups.
const maxGroups = 100

// Groups returns the 100 largest groups of the letters that f selects, largest first.
func Groups(ctx context.Context, db *gorm.DB, f Filter) ([]Group, error) {
	var groups []Group
	err := f.of(db.WithContext(ctx)).Joins(joinWaiting).Select("type, cause, COUNT(*) AS count, CAST(COALESCE(SUM(waiting), 0) AS bigint) AS behind").
		Group("type, cause").Order("count DESC, type, cause").Limit(maxGroups).Scan(&groups).Error
	if err != nil {
		return nil, fmt.Errorf("group dead letters: %w", err)
	}
	return groups, nil
}

// Count returns the number of letters that f selects.
func Count(ctx context.Context, db *gorm.DB, f Filter) (n int64, err error) {
	if err := f.of(db.WithContext(ctx)).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return n, nil
}

// CountUnclosed returns the number of unclosed letters in each state.
func CountUnclosed(ctx context.Context, db *gorm.DB) (map[string]int64, error) {
	var rows []struct {
		State string
		Count int64
	}
	err := db.WithContext(ctx).Model(&Letter{}).Where("closed_at IS NULL").Select("state, COUNT(*) AS count").Group("state").Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("count unclosed dead letters: %w", err)
	}
	counts := map[string]int64{}
	for _, r := range rows {
		counts[r.State] = r.Count
	}
	return counts, nil
}

var varying = regexp.MustCompile(`"[^"]*"|'[^']*'|[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}|\d+`)

// CauseOf replaces the quoted parts, IDs and numbers in an error's text by placeholders.
// Letters with the same cause form a group.
func CauseOf(text string) string {
	return varying.ReplaceAllStringFunc(text, func(part string) string {
		switch {
		case part[0] == '"' || part[0] == '\'':
			return string(part[0]) + "…" + string(part[0])
		case len(part) == 36 && strings.Contains(part, "-"):
			return "<id>"
		default:
			return "<n>"
		}
	})
}
