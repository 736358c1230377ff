package deadletter

import (
	"context"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// Filter picks letters; its zero fields pick all.
type Filter struct {
	State  string
	Stream string
	Type   string
	Error  string // a part of the error, in any case, or the whole of a group's cause
}

func (f Filter) of(db *gorm.DB) *gorm.DB {
	q := db.Model(&Letter{})
	for column, value := range map[string]string{"state": f.State, "stream": f.Stream, "type": f.Type} {
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

// Group is how many letters have the same type and cause.
type Group struct {
	Type  string
	Cause string
	Count int64
}

// mostGroups is how many groups are told, the largest first.
const mostGroups = 100

// Groups counts the letters that f picks by type and cause, most first.
func Groups(ctx context.Context, db *gorm.DB, f Filter) ([]Group, error) {
	var groups []Group
	err := f.of(db.WithContext(ctx)).Select("type, cause, COUNT(*) AS count").Group("type, cause").
		Order("count DESC, type, cause").Limit(mostGroups).Scan(&groups).Error
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
