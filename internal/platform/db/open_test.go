package db_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/test/harness/parts"
)

func TestDuplicateKeyGivesSameErrorOnEveryDatabase(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		insert := "INSERT INTO positions (subscriber, stream, last_offset, last_id, updated_at) VALUES ('a', 'b', 1, '', ?)"
		if err := conn.Exec(insert, db.Now()).Error; err != nil {
			t.Fatal(err)
		}
		if err := conn.Exec(insert, db.Now()).Error; !errors.Is(err, gorm.ErrDuplicatedKey) {
			t.Errorf("got %v, want a duplicated key", err)
		}
	})
}

func TestConcurrentMigrationsSucceed(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if err := db.Migrate(t.Context(), conn, "none", dbtest.NoTables()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestErrorsNameDatabaseWithoutPassword(t *testing.T) {
	t.Parallel()
	_, err := db.Open(t.Context(), db.Config{URL: "postgres://shop:s3cret@127.0.0.1:1/orders", Schema: "x"})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "orders") {
		t.Errorf("%v does not name host, port and database", err)
	}
	for _, url := range []string{"postgres://shop:s3cret@127.0.0.1:bad/orders", "mysql://shop:s3cret@localhost/x", ""} {
		_, bad := db.OpenRetry(t.Context(), db.Config{URL: url, Schema: "x", Log: slog.New(slog.DiscardHandler)})
		if !errors.Is(bad, db.ErrBadURL) {
			t.Errorf("%q: got %v, want ErrBadURL", url, bad)
		}
		err = errors.Join(err, bad)
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error contains the password: %v", err)
	}
}

func TestRefusesFileOfAnotherProcess(t *testing.T) {
	t.Parallel()
	cfg := db.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "a.db"), Log: slog.New(slog.DiscardHandler)}
	first, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.OpenRetry(t.Context(), cfg); !errors.Is(err, db.ErrInUse) {
		t.Errorf("second open: got %v, want ErrInUse", err)
	}
	if err := db.Close(first); err != nil {
		t.Fatal(err)
	}
	again, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(again); err != nil {
		t.Error(err)
	}
}

func TestRefusesEmptySchema(t *testing.T) {
	t.Parallel()
	if _, err := db.Open(t.Context(), db.Config{URL: parts.Postgres(t), Schema: ""}); err == nil {
		t.Error("Open accepts an empty schema")
	}
}
