package copies

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"quadrille/internal/platform/db"
	"quadrille/pkg/consumer"
)

// RowsAtOnce is the maximum number of rows that one statement writes.
const RowsAtOnce = 500

// Table is a Store of copies of one row each. T is a gorm model. Its primary key is the ID of
// the thing, its column version the owner's version. Conditions in DB limit the rows that
// Versions returns.
type Table[T any] struct{ DB *gorm.DB }

// Versions implements Store.
func (t Table[T]) Versions(ctx context.Context, ids []string) (map[string]int64, error) {
	s, err := t.schema()
	if err != nil {
		return nil, err
	}
	key := s.PrioritizedPrimaryField.DBName
	q := t.DB.WithContext(ctx).Model(new(T)).Select(key + " AS id, version")
	if ids != nil {
		q = q.Where(key+" IN ?", ids)
	}
	var rows []struct {
		ID      string
		Version int64
	}
	err = q.Find(&rows).Error
	versions := make(map[string]int64, len(rows))
	for _, r := range rows {
		versions[r.ID] = r.Version
	}
	return versions, db.Wrap(err, "read versions of "+s.Table)
}

// Keep implements Store. It deletes the copies of things that are gone, and inserts or updates
// the others. It writes no associations. It writes rows in the order of their IDs, so that
// concurrent transactions cannot deadlock.
func (t Table[T]) Keep(_ context.Context, tx consumer.Tx, news News[T]) error {
	s, err := t.schema()
	if err != nil {
		return err
	}
	key := s.PrioritizedPrimaryField.DBName
	if len(news.Gone) > 0 {
		if err := tx.Where(key+" IN ?", news.Gone).Delete(new(T)).Error; err != nil {
			return db.Wrap(err, "remove from "+s.Table)
		}
	}
	if len(news.Found) == 0 {
		return nil
	}
	var columns []string
	for _, f := range s.Fields {
		if f.DBName != "" && !f.PrimaryKey {
			columns = append(columns, f.DBName)
		}
	}
	newer := clause.OnConflict{
		Columns:   []clause.Column{{Name: key}},
		DoUpdates: clause.AssignmentColumns(columns),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr(s.Table + ".version < excluded.version")}},
	}
	err = tx.Omit(clause.Associations).Clauses(newer).CreateInBatches(news.Found, RowsAtOnce).Error
	return db.Wrap(err, "write "+s.Table)
}

func (t Table[T]) schema() (*schema.Schema, error) {
	s := &gorm.Statement{DB: t.DB}
	if err := s.Parse(new(T)); err != nil {
		return nil, fmt.Errorf("copies: %w", err)
	}
	return s.Schema, nil
}
