package inventory

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"quadrille/internal/csvfile"
	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/fault"
)

// house is an inventory whose imports are worked on when the test says so.
type house struct {
	*Service

	t       *testing.T
	imports *importer
}

func newHouse(t *testing.T, conn *gorm.DB) *house {
	t.Helper()
	rows := &store{db: conn, now: db.Now}
	s := &Service{store: rows, wake: func() {}, upload: make(chan struct{}, 1)}
	i := newImporter(rows, func() {}, s.upload, importSlots(conn), slog.New(slog.DiscardHandler))
	i.retryPause = time.Millisecond
	return &house{s, t, i}
}

func (h *house) send(file string) (id string) {
	h.t.Helper()
	utf8, err := csvfile.Charset("")
	if err != nil {
		h.t.Fatal(err)
	}
	im, err := h.Upload(h.t.Context(), strings.NewReader(file), utf8)
	if err != nil {
		h.t.Fatal(err)
	}
	return im.ID
}

// until works on imports until one of them has a status.
func (h *house) until(id, status string) (Import, []ImportError) {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		if err := h.imports.RunOnce(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		im, refused, err := h.Import(h.t.Context(), id)
		if err != nil {
			h.t.Fatal(err)
		}
		if im.Status == status {
			return im, refused
		}
		if time.Now().After(end) || im.Status != ImportPending && im.Status != ImportRunning {
			h.t.Fatalf("import is %+v, want %s", im, status)
		}
	}
}

func (h *house) onHand(code string, want int64) {
	h.t.Helper()
	if s, err := h.SKU(h.t.Context(), code); err != nil || s.OnHand != want {
		h.t.Errorf("%d of %s on hand, %v, want %d", s.OnHand, code, err, want)
	}
}

// chunks returns the number of stored chunks of files.
func (h *house) chunks() (n int64) {
	h.t.Helper()
	if err := h.store.db.Model(&importChunk{}).Count(&n).Error; err != nil {
		h.t.Fatal(err)
	}
	return n
}

const columnsLine = "external_id,sku,quantity\n"

// What no database can keep is a rejected line on each of them, wherever it stands,
// and neither the lines nor the imports behind it wait.
func TestRejectsLinesThatDatabasesRefuse(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		var far strings.Builder
		for i := range 6000 {
			fmt.Fprintf(&far, "r%d,FAR,1\n", i)
		}
		bad := h.send(columnsLine + "lieferung-m\xe4rz-1,LAT1,5\ngood,LAT1,2\n" + far.String() + "nul\x00,LAT1,7\n,\x00,\xff\nlast,LAT1,3\n")
		next := h.send(columnsLine + "n1,NEXT,4\n")
		im, refused := h.until(bad, ImportDone)
		h.until(next, ImportDone)
		if im.Total != 6005 || im.Processed != 6005 || im.Rejected != 3 || len(refused) != 3 || refused[0].Line != 2 || refused[1].Line != 6004 || refused[2].Line != 6005 {
			t.Errorf("import is %+v, %+v", im, refused)
		}
		h.onHand("LAT1", 5)
		h.onHand("FAR", 6000)
		h.onHand("NEXT", 4)
		if h.chunks() != 0 {
			t.Errorf("%d pieces of files are left", h.chunks())
		}
	})
}

// A quotation mark that is not closed costs its line, of however many.
func TestRejectsAnUnclosedQuote(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		for name, end := range map[string]string{"LF": "\n", "CR": "\r"} {
			var file strings.Builder
			file.WriteString("external_id;sku;quantity" + end + name + "-first;" + name + ";1" + end + "\"bad;" + name + ";1" + end)
			for i := range 5000 {
				fmt.Fprintf(&file, "%s-%d;%s;1%s", name, i, name, end)
			}
			im, refused := h.until(h.send(file.String()), ImportDone)
			if im.Processed != 5002 || im.Rejected != 1 || len(refused) != 1 || refused[0].Line != 3 || !strings.Contains(refused[0].Detail, "reading went on at line 4") {
				t.Errorf("%s: import is %+v, %+v", name, im, refused)
			}
			h.onHand(name, 5001)
		}
	})
}

// What only the database finds fault with is a rejected line, too.
func TestRejectsALineThatTheDatabaseRefuses(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		trigger := `CREATE TRIGGER no BEFORE INSERT ON movements WHEN NEW.external_id = 'r7' BEGIN SELECT RAISE(ABORT, 'no r7'); END`
		if conn.Name() == "postgres" {
			trigger = `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.external_id = 'r7' THEN RAISE EXCEPTION 'no r7'; END IF; RETURN NEW; END $$;
				CREATE TRIGGER no BEFORE INSERT ON movements FOR EACH ROW EXECUTE FUNCTION no()`
		}
		if err := conn.Exec(trigger).Error; err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, conn)
		var file strings.Builder
		file.WriteString(columnsLine)
		for i := range 40 {
			fmt.Fprintf(&file, "r%d,A,1\n", i)
		}
		im, refused := h.until(h.send(file.String()), ImportDone)
		if im.Processed != 40 || im.Rejected != 1 || len(refused) != 1 || refused[0].Line != 9 {
			t.Errorf("import is %+v, %+v", im, refused)
		}
		h.onHand("A", 39)
	})
}

// An import whose stock is locked elsewhere tells so, holds up no other, and goes on
// when it can.
func TestBlockedImportDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, Name, migrations)
	h := newHouse(t, conn)
	h.imports.within = 300 * time.Millisecond
	h.until(h.send(columnsLine+"seed,LOCKED,1\n"), ImportDone)
	lock := conn.Begin()
	defer lock.Rollback()
	if err := lock.Exec("SELECT code FROM skus WHERE code = 'LOCKED' FOR UPDATE").Error; err != nil {
		t.Fatal(err)
	}
	held := []string{h.send(columnsLine + "h1,FREE,1\nh2,LOCKED,1\n"), h.send(columnsLine + "h3,LOCKED,1\n"), h.send(columnsLine + "h4,LOCKED,1\n")}
	for n := range 3 {
		h.imports.within = 300 * time.Millisecond
		h.until(h.send(fmt.Sprintf("%so%d,OTHER,1\n", columnsLine, n)), ImportDone)
	}
	im, _, err := h.Import(t.Context(), held[1])
	if err != nil || im.over() || !strings.Contains(im.Reason, "lines 2 to 2") {
		t.Errorf("the import that is held up is %+v, %v", im, err)
	}
	time.Sleep(2 * time.Millisecond)
	if stuck, err := h.store.stuckImport(t.Context(), time.Millisecond); err != nil || stuck == nil || stuck.ID != held[0] && stuck.ID != held[1] && stuck.ID != held[2] {
		t.Errorf("stuck is %+v, %v", stuck, err)
	}
	if f := importsCheck(h.store, db.Now()).Probe(t.Context()); f.Err != nil {
		t.Errorf("a short stop is trouble: %v", f.Err)
	}
	long := store{db: conn, now: func() time.Time { return db.Now().Add(time.Minute) }}
	started := db.Now().Add(-time.Second)
	if f := importsCheck(&long, started).Probe(t.Context()); f.Err == nil || !strings.Contains(f.Err.Error(), "does not move") || f.Since.Before(started) || f.FailAfter != 0 {
		t.Errorf("found %+v", f)
	}
	if err := lock.Rollback().Error; err != nil {
		t.Fatal(err)
	}
	for _, id := range held {
		if im, _ := h.until(id, ImportDone); im.Reason != "" {
			t.Errorf("import is %+v", im)
		}
	}
	h.onHand("LOCKED", 4)
	if stuck, err := h.store.stuckImport(t.Context(), time.Millisecond); err != nil || stuck != nil {
		t.Errorf("stuck is %+v, %v", stuck, err)
	}
}

// A table that is gone for a while is no import's fault.
func TestImportContinuesAfterAMissingTable(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		id := h.send(columnsLine + "r1,A,1\n")
		rename := func(from, to string) {
			if err := conn.Exec("ALTER TABLE " + from + " RENAME TO " + to).Error; err != nil {
				t.Fatal(err)
			}
		}
		rename("movements", "elsewhere")
		for range 5 {
			if err := h.imports.RunOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if im, refused, err := h.Import(t.Context(), id); err != nil || im.Status != ImportRunning || im.Reason == "" || len(refused) > 0 {
			t.Errorf("import is %+v, %+v, %v", im, refused, err)
		}
		rename("elsewhere", "movements")
		if im, _ := h.until(id, ImportDone); im.Rejected != 0 {
			t.Errorf("import is %+v", im)
		}
	})
}

// However often the work is interrupted, each line counts once.
func TestImportResumesAfterARestart(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		var file strings.Builder
		file.WriteString(columnsLine)
		for i := range 300 {
			fmt.Fprintf(&file, "\"r%d\n\",A,1\nbad%d,A,x\n", i, i)
		}
		id := h.send(file.String())
		for {
			h = newHouse(t, conn) // as after kill -9
			h.imports.batch, h.imports.turn = 47, 0
			if err := h.imports.RunOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			im, refused, err := h.Import(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if im.Status == ImportDone {
				if im.Processed != 600 || im.Rejected != 300 || refused[299].Line != 901 {
					t.Errorf("import is %+v, the last error %+v", im, refused[299])
				}
				break
			}
		}
		h.onHand("A", 300)
	})
}

// A file that is not complete fails its import.
func TestFailsAnIncompleteFile(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		id := h.send(columnsLine + strings.Repeat("r,A,1,"+strings.Repeat(" ", 1<<10)+"\n", 3<<10))
		if err := conn.Delete(&importChunk{}, "import_id = ? AND n = 1", id).Error; err != nil {
			t.Fatal(err)
		}
		if im, _ := h.until(id, ImportFailed); !strings.Contains(im.Reason, "chunk 1 is missing") || im.FinishedAt == nil {
			t.Errorf("import is %+v", im)
		}
		h.until(h.send(columnsLine+"n,A,1\n"), ImportDone)
	})
}

func TestCancel(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		h.imports.batch, h.imports.turn = 10, 0
		ctx := context.Background()
		running, done := h.send(columnsLine+lines("r", 50)), h.send(columnsLine+lines("d", 5))
		h.until(done, ImportDone)
		pending := h.send(columnsLine + lines("p", 5))
		for _, id := range []string{running, pending, running} {
			if im, _, err := h.CancelImport(ctx, id); err != nil || im.Status != ImportCancelled || im.FinishedAt == nil || im.Processed >= 50 {
				t.Errorf("cancelled: %+v, %v", im, err)
			}
		}
		if h.chunks() != 0 {
			t.Errorf("%d pieces of files are left", h.chunks())
		}
		before, err := h.SKU(ctx, "A")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.imports.RunOnce(ctx); err != nil {
			t.Fatal(err)
		}
		im, _, err := h.Import(ctx, running)
		if err != nil || im.Processed+5 != before.OnHand || im.Status != ImportCancelled {
			t.Errorf("%d on hand, import is %+v, %v", before.OnHand, im, err)
		}
		h.onHand("A", before.OnHand)
		if _, _, err := h.CancelImport(ctx, done); !fault.Is(err, fault.Conflict) {
			t.Errorf("cancelling one that is done: %v", err)
		}
		if _, _, err := h.CancelImport(ctx, "none"); !fault.Is(err, fault.NotFound) {
			t.Errorf("cancelling none: %v", err)
		}
	})
}

// A batch that is worked on while its import is cancelled is rolled back.
func TestCancelledImportCommitsNoFurtherBatch(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		h.imports.batch, h.imports.turn = 2, 0
		id := h.send(columnsLine + lines("r", 6))
		h.imports.RunOnce(t.Context())
		im, _, err := h.Import(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.CancelImport(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		err = h.store.takeRecords(t.Context(), &im, []record{{movement: Movement{Kind: Receipt, ExternalID: "late", SKU: "A", Quantity: 1}, line: 9}})
		if err == nil {
			t.Error("the batch was taken")
		}
		h.onHand("A", 2)
	})
}

func lines(id string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%d,A,1\n", id, i)
	}
	return b.String()
}

// Imports that an earlier version left behind are worked on, each line once.
func TestContinuesImportsOfAnEarlierVersion(t *testing.T) {
	before := fstest.MapFS{}
	for _, dialect := range []string{"postgres", "sqlite"} {
		file := "migrations/" + dialect + "/00001_init.sql"
		data, err := fs.ReadFile(migrations, file)
		if err != nil {
			t.Fatal(err)
		}
		before[file] = &fstest.MapFile{Data: data}
	}
	dbtest.Each(t, Name, before, func(t *testing.T, conn *gorm.DB) {
		for _, sql := range []string{
			"INSERT INTO imports (id, status, total, processed, rejected, created_at) VALUES ('run', 'running', 4, 2, 1, CURRENT_TIMESTAMP), ('wait', 'pending', 0, 0, 0, CURRENT_TIMESTAMP)",
			"INSERT INTO imports (id, status, total, processed, created_at, finished_at) VALUES ('old', 'done', 7, 7, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
			"INSERT INTO import_errors (import_id, line, detail) VALUES ('run', 3, 'x'), ('old', 3, 'x')",
			"INSERT INTO skus (code, received, on_hand, version, updated_at) VALUES ('A', 1, 1, 1, CURRENT_TIMESTAMP)",
			"INSERT INTO movements (kind, external_id, sku, quantity, moved_at) VALUES ('receipt', 'r1', 'A', 1, CURRENT_TIMESTAMP)",
		} {
			if err := conn.Exec(sql).Error; err != nil {
				t.Fatal(err)
			}
		}
		for id, file := range map[string]string{"run": columnsLine + "r1,A,1\nbad\nr3,A,1\nr4,A,1\n", "wait": columnsLine + "w\xe4,A,1\nw2,A,1\n"} {
			if err := conn.Create(&importChunk{ImportID: id, Data: []byte(file)}).Error; err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Migrate(t.Context(), conn, Name, migrations); err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, conn)
		run, refused := h.until("run", ImportDone)
		wait, _ := h.until("wait", ImportDone)
		if run.Total != 4 || run.Processed != 4 || run.Rejected != 1 || len(refused) != 1 || wait.Rejected != 1 {
			t.Errorf("imports are %+v, %+v, %+v", run, refused, wait)
		}
		if old, refused, err := h.Import(t.Context(), "old"); err != nil || old.Status != ImportDone || len(refused) != 1 {
			t.Errorf("the old import is %+v, %+v, %v", old, refused, err)
		}
		h.onHand("A", 4)
	})
}

// Code that panics on a file fails its import after a few tries.
func TestFailsAnImportThatPanics(t *testing.T) {
	t.Parallel()
	h := newHouse(t, dbtest.SQLite(t, Name, migrations))
	h.imports.batch = 1
	h.imports.wake = func() { panic("broken") }
	id := h.send(columnsLine + lines("r", 20))
	if im, _ := h.until(id, ImportFailed); !strings.Contains(im.Reason, "broken") || im.Processed != maxPanics {
		t.Errorf("import is %+v", im)
	}
	h.onHand("A", maxPanics)
}

// All lines that are rejected count; the reasons of the first are kept.
func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, Name, migrations)
	h := newHouse(t, conn)
	im, shown := h.until(h.send(columnsLine+strings.Repeat("x\n", maxErrors+700)), ImportDone)
	var kept int64
	if err := conn.Model(&ImportError{}).Count(&kept).Error; err != nil {
		t.Fatal(err)
	}
	if im.Rejected != maxErrors+700 || kept != maxErrors || len(shown) != errorsShown {
		t.Errorf("%d reasons are kept and %d shown of %+v", kept, len(shown), im)
	}
}

// What a killed process left of an upload is removed a day later.
func TestOldUploadsAreRemoved(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		h := newHouse(t, conn)
		for id, age := range map[string]time.Duration{"old": uploadWithin + time.Hour, "new": time.Hour} {
			im := Import{ID: id, Status: importUploading, CreatedAt: db.Now().Add(-age)}
			if err := conn.Create(&im).Error; err != nil {
				t.Fatal(err)
			}
			if err := conn.Create(&importChunk{ImportID: id, Data: []byte(columnsLine)}).Error; err != nil {
				t.Fatal(err)
			}
		}
		if err := h.store.discardOldUploads(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left []string
		if err := conn.Model(&importChunk{}).Pluck("import_id", &left).Error; err != nil || len(left) != 1 || left[0] != "new" {
			t.Errorf("left are %v, %v", left, err)
		}
	})
}

// A transaction that is run again after a conflict counts its records once.
func TestRetriesABatchAfterAConflict(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, Name, migrations)
	h := newHouse(t, conn)
	h.imports.batch = 2
	id := h.send(columnsLine + lines("r", 3) + "bad\n" + lines("s", 3))
	met := 0
	err := conn.Callback().Update().Before("gorm:update").Register("test:conflict", func(tx *gorm.DB) {
		if columns := tx.Statement.Selects; len(columns) > 0 && columns[0] == "processed" {
			if met++; met%2 == 1 {
				_ = tx.AddError(&pgconn.PgError{Code: "40001"})
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if im, _ := h.until(id, ImportDone); im.Processed != 7 || im.Rejected != 1 || met < 8 {
		t.Errorf("after %d updates the import is %+v", met, im)
	}
	h.onHand("A", 6)
}
