package sqlitedialect_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"modernc.org/sqlite"

	"quadrille/internal/platform/db/sqlitedialect"
)

// part is a row with a unique name. SQLite assigns its key.
type part struct {
	ID     int64 `gorm:"primaryKey"`
	Name   string
	Stock  int64
	Seen   *time.Time
	Data   []byte
	Order  string // a keyword, so it must be quoted
	BoxID  *int64
	Box    *box
	Labels []label
}

type box struct {
	ID    int64 `gorm:"primaryKey"`
	Place string
}

func (box) TableName() string { return "boxes" }

type label struct {
	PartID int64  `gorm:"primaryKey"`
	Text   string `gorm:"primaryKey"`
}

const tables = `
CREATE TABLE boxes (id INTEGER PRIMARY KEY, place TEXT NOT NULL DEFAULT '');
CREATE TABLE parts (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, stock INTEGER NOT NULL DEFAULT 0,
	seen DATETIME, data BLOB, "order" TEXT NOT NULL DEFAULT '', box_id INTEGER REFERENCES boxes (id));
CREATE TABLE labels (part_id INTEGER NOT NULL REFERENCES parts (id), text TEXT NOT NULL, PRIMARY KEY (part_id, text));`

// open returns a new database with the tables above, opened with Quadrille's driver.
func open(t *testing.T) *gorm.DB {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "a.db")+"?_pragma=foreign_keys(1)&_txlock=immediate&_texttotime=1&_time_format=sqlite&_timezone=UTC")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	pool.SetMaxOpenConns(1)
	conn, err := gorm.Open(sqlitedialect.Dialector{Conn: pool}, &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(tables).Error; err != nil {
		t.Fatal(err)
	}
	return conn
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names returns the parts in the order of their keys.
func names(t *testing.T, conn *gorm.DB) (found []string) {
	t.Helper()
	must(t, conn.Model(&part{}).Order("id").Pluck("name", &found).Error)
	return found
}

func TestReadsRowsAsWritten(t *testing.T) {
	t.Parallel()
	conn := open(t)
	seen := time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC)
	for _, want := range []part{
		{Name: "plain"},
		{Name: `'; DROP TABLE parts; -- " ` + "` ? @x \\", Stock: -1 << 63, Seen: &seen, Data: []byte{0, 1, 255}, Order: "größer 𝕏"},
	} {
		row := want
		must(t, conn.Create(&row).Error)
		var got part
		must(t, conn.Take(&got, row.ID).Error)
		if got.Name != want.Name || got.Stock != want.Stock || got.Order != want.Order || string(got.Data) != string(want.Data) {
			t.Errorf("wrote %+v, read %+v", want, got)
		}
		if (got.Seen == nil) != (want.Seen == nil) || got.Seen != nil && !got.Seen.Equal(*want.Seen) {
			t.Errorf("wrote time %v, read %v", want.Seen, got.Seen)
		}
	}
}

// Create sets the keys of a batch in the order of its rows, even if some rows have a key.
func TestCreateSetsKeysOfBatch(t *testing.T) {
	t.Parallel()
	conn := open(t)
	rows := make([]part, 2500)
	for i := range rows {
		rows[i].Name = strings.Repeat("x", i+1)
	}
	must(t, conn.CreateInBatches(rows, 1000).Error)
	for i, row := range rows {
		if row.ID != int64(i+1) {
			t.Fatalf("row %d has key %d", i, row.ID)
		}
	}
	mixed := []part{{Name: "a"}, {ID: 9000, Name: "b"}, {Name: "c"}}
	must(t, conn.Create(&mixed).Error)
	for _, want := range mixed {
		var got part
		must(t, conn.Take(&got, "name = ?", want.Name).Error)
		if got.ID != want.ID || got.ID == 0 {
			t.Errorf("%s has key %d, but Create set %d", want.Name, got.ID, want.ID)
		}
	}
}

func TestOnConflictUpdatesOrKeepsRow(t *testing.T) {
	t.Parallel()
	byName := []clause.Column{{Name: "name"}}
	for name, test := range map[string]struct {
		clause   clause.OnConflict
		affected int64
		stock    int64
	}{
		"do nothing":                 {clause.OnConflict{DoNothing: true}, 1, 10},
		"do nothing for a column":    {clause.OnConflict{Columns: byName, DoNothing: true}, 1, 10},
		"update a column":            {clause.OnConflict{Columns: byName, DoUpdates: clause.AssignmentColumns([]string{"stock"})}, 2, 3},
		"update all":                 {clause.OnConflict{Columns: byName, UpdateAll: true}, 2, 3},
		"update by an expression":    {clause.OnConflict{Columns: byName, DoUpdates: clause.Assignments(map[string]any{"stock": gorm.Expr("parts.stock + excluded.stock")})}, 2, 13},
		"update only smaller values": {where("parts.stock < excluded.stock"), 1, 10},
		"update only greater values": {where("parts.stock > excluded.stock"), 2, 3},
		"update with arguments":      {where("parts.stock > ?", 9), 2, 3},
		"no update with arguments":   {where("parts.stock > ?", 10), 1, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := open(t)
			must(t, conn.Create(&part{Name: "a", Stock: 10}).Error)
			made := conn.Clauses(test.clause).Create([]*part{{Name: "a", Stock: 3}, {Name: "new", Stock: 4}})
			must(t, made.Error)
			if made.RowsAffected != test.affected {
				t.Errorf("%d rows were affected, want %d", made.RowsAffected, test.affected)
			}
			var got part
			must(t, conn.Take(&got, "name = 'a'").Error)
			if got.Stock != test.stock || got.ID != 1 {
				t.Errorf("stock %d under key %d, want %d under 1", got.Stock, got.ID, test.stock)
			}
			if found := names(t, conn); !slices.Equal(found, []string{"a", "new"}) {
				t.Errorf("the rows are %q", found)
			}
		})
	}
}

// where returns a clause that updates the stock if the condition holds.
func where(sql string, args ...any) clause.OnConflict {
	return clause.OnConflict{
		Columns:   []clause.Column{{Name: "name"}},
		DoUpdates: clause.AssignmentColumns([]string{"stock"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr(sql, args...)}},
	}
}

func TestReturningFillsChangedRows(t *testing.T) {
	t.Parallel()
	conn := open(t)
	must(t, conn.Create([]*part{{Name: "a", Stock: 1}, {Name: "b", Stock: 2}, {Name: "c", Stock: 3}}).Error)
	var changed []part
	must(t, conn.Model(&changed).Clauses(clause.Returning{}).Where("stock > 1").Update("stock", gorm.Expr("stock * 10")).Error)
	if len(changed) != 2 || changed[0].Stock != 20 || changed[1].Name != "c" {
		t.Errorf("UPDATE returned %+v", changed)
	}
	var gone []part
	must(t, conn.Clauses(clause.Returning{Columns: []clause.Column{{Name: "name"}}}).Where("stock = 30").Delete(&gone).Error)
	if len(gone) != 1 || gone[0].Name != "c" || gone[0].Stock != 0 {
		t.Errorf("DELETE returned %+v", gone)
	}
}

// SQLite accepts no OFFSET without a LIMIT.
func TestWritesLimitAndOffset(t *testing.T) {
	t.Parallel()
	conn := open(t)
	must(t, conn.Create([]*part{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}).Error)
	for want, query := range map[string]*gorm.DB{
		"ab":   conn.Limit(2),
		"bc":   conn.Limit(2).Offset(1),
		"cd":   conn.Offset(2),
		"d":    conn.Limit(-1).Offset(3),
		"abcd": conn.Limit(-1).Offset(-1),
		"":     conn.Limit(0),
	} {
		if found := strings.Join(names(t, query), ""); found != want {
			t.Errorf("got %q, want %q", found, want)
		}
	}
}

func TestOmitsRowLocks(t *testing.T) {
	t.Parallel()
	conn := open(t)
	must(t, conn.Create(&part{Name: "a"}).Error)
	for _, lock := range []clause.Locking{
		{Strength: clause.LockingStrengthUpdate},
		{Strength: clause.LockingStrengthShare, Table: clause.Table{Name: "parts"}},
		{Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsSkipLocked},
	} {
		var got []part
		if err := conn.Clauses(lock).Where("name = ?", "a").Limit(1).Find(&got).Error; err != nil || len(got) != 1 {
			t.Errorf("%+v: %d rows, %v", lock, len(got), err)
		}
	}
}

func TestRollsBackOnlyNestedTransaction(t *testing.T) {
	t.Parallel()
	conn := open(t)
	broken := errors.New("broken")
	must(t, conn.Transaction(func(tx *gorm.DB) error {
		must(t, tx.Create(&part{Name: "outer"}).Error)
		if err := tx.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Create(&part{Name: "inner"}).Error)
			return broken
		}); !errors.Is(err, broken) {
			t.Errorf("the nested transaction returns %v", err)
		}
		must(t, tx.SavePoint("a `name`").Error)
		must(t, tx.Create(&part{Name: "undone"}).Error)
		must(t, tx.RollbackTo("a `name`").Error)
		return tx.Transaction(func(tx *gorm.DB) error { return tx.Create(&part{Name: "kept"}).Error })
	}))
	if found := names(t, conn); !slices.Equal(found, []string{"outer", "kept"}) {
		t.Errorf("the rows are %q", found)
	}
}

func TestLoadsAssociations(t *testing.T) {
	t.Parallel()
	conn := open(t)
	must(t, conn.Create(&part{Name: "a", Box: &box{Place: "shelf"}, Labels: []label{{Text: "y"}, {Text: "x"}}}).Error)
	var loaded part
	must(t, conn.Preload("Labels", func(q *gorm.DB) *gorm.DB { return q.Order("text") }).Joins("Box").Take(&loaded).Error)
	if loaded.Box == nil || loaded.Box.Place != "shelf" || len(loaded.Labels) != 2 || loaded.Labels[0].Text != "x" {
		t.Errorf("loaded %+v", loaded)
	}
}

// The type that embeds the dialect translates them.
func TestReturnsDriversErrors(t *testing.T) {
	t.Parallel()
	conn := open(t)
	must(t, conn.Create(&part{Name: "a"}).Error)
	nowhere := int64(404)
	for name, err := range map[string]error{
		"duplicate name": conn.Create(&part{Name: "a"}).Error,
		"no such box":    conn.Create(&part{Name: "b", BoxID: &nowhere}).Error,
		"no such table":  conn.Table("nosuch").Take(&map[string]any{}).Error,
	} {
		var code *sqlite.Error
		if !errors.As(err, &code) {
			t.Errorf("%s: got %v, want an error of the driver", name, err)
		}
	}
}

func TestRefusesMigrator(t *testing.T) {
	t.Parallel()
	defer func() {
		if message, _ := recover().(string); !strings.Contains(message, "SQL migration") {
			t.Errorf("the Migrator panics with %q", message)
		}
	}()
	conn := open(t)
	_ = conn.AutoMigrate(&part{})
}
