package sqlitelog_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/sqlitelog"
)

// A log whose file was deleted or replaced confirms nothing and reports the loss.
func TestNoticesALostFile(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(path string) error{
		"deleted": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			open := func() *sqlitelog.Log {
				b, err := sqlitelog.Open(sqlitelog.Config{Path: path, Poll: 10 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = b.Close() })
				return b
			}
			b := open()
			sent := bustest.Messages(t, 5, time.Now())
			if err := b.Publish(t.Context(), "sales", sent); err != nil {
				t.Fatal(err)
			}
			s, err := b.Subscribe(t.Context(), "sales", bus.Position{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Next(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			_, read := s.Next(t.Context(), 1)
			_, asked := b.End(t.Context(), "sales")
			for what, err := range map[string]error{"state": b.State(), "publish": b.Publish(t.Context(), "sales", sent), "next": read, "end": asked} {
				if !errors.Is(err, bus.ErrMisconfigured) || !errors.Is(err, bus.ErrUnavailable) {
					t.Errorf("%s gives %v", what, err)
				}
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			again := open()
			newest := bus.Published{ID: sent[4].ID, At: time.Now()}
			if _, err := again.Verify(t.Context(), "sales", newest, bus.Position{}); !errors.Is(err, bus.ErrEventsMissing) {
				t.Errorf("verify gives %v, want ErrEventsMissing", err)
			}
			if err := again.Publish(t.Context(), "sales", sent); err != nil {
				t.Error(err)
			}
			if _, err := again.Verify(t.Context(), "sales", newest, bus.Position{}); err != nil {
				t.Error(err)
			}
		})
	}
}
