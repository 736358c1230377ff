package sqlitelog_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/sqlitelog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Driver {
		path := filepath.Join(t.TempDir(), "log.db")
		var open []*sqlitelog.Log
		return bustest.Driver{
			Open: func(t *testing.T) bus.Bus {
				b, err := sqlitelog.Open(sqlitelog.Config{Path: path, Poll: 20 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, b)
				t.Cleanup(func() { _ = b.Close() })
				return b
			},
			Forget: func(t *testing.T, _ string) {
				for _, b := range open {
					if err := b.Close(); err != nil {
						t.Fatal(err)
					}
				}
				for _, suffix := range []string{"", "-wal", "-shm"} {
					if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
						t.Fatal(err)
					}
				}
			},
		}
	})
}
