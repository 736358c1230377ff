package activity

import (
	"context"
	"time"

	"quadrille/internal/db"
)

// perMinute is how many events of a type fell into a minute.
type perMinute struct {
	Minute int64 // since 1970
	Type   string
	Events int64
}

// orders counts what befell orders from then on, by minute and type.
func (s *store) orders(ctx context.Context, from time.Time) ([]perMinute, error) {
	minute := "CAST(strftime('%s', time) AS integer) / 60"
	if s.db.Name() == "postgres" {
		minute = "CAST(floor(extract(epoch FROM time) / 60) AS bigint)"
	}
	var rows []perMinute
	err := s.db.WithContext(ctx).Model(&Note{}).Select(minute+" AS minute, type, COUNT(*) AS events").
		Where("stream = 'sales' AND time >= ?", from.UTC()).Group("1, 2").Scan(&rows).Error
	return rows, db.Wrap(err, "count orders")
}
