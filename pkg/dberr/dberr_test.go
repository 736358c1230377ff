package dberr_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"quadrille/pkg/dberr"
)

// states returns SQLSTATEs by kind: every code that the table lists, and at least one code
// of each class.
func states() map[dberr.Kind][]string {
	return map[dberr.Kind][]string{
		dberr.Unavailable: {
			"08000", "08001", "08003", "08006", "08P01", "0B000", "24000", "25000", "25001", "25006", "25P03", "25P04", "26000", "2D000",
			"34000", "3B001", "40000", "40003", "42P05", "53000", "53100", "53200", "53300", "53400", "55000", "55006", "55P03",
			"57000", "57014", "57P01", "57P02", "57P03", "57P05", "58000", "58030", "58P01", "72000", "HV00N", "XX000", "XX001", "XX002",
		},
		dberr.Conflict: {"40001", "40P01"},
		dberr.Unfit: {
			"03000", "0A000", "0L000", "0P000", "28000", "28P01", "2BP01", "2F003", "3D000", "3F000", "42000", "42501", "42601", "42702",
			"42703", "42704", "42804", "42883", "42P01", "42P02", "42P07", "42P10", "57P04", "F0000",
		},
		dberr.Other: {
			"20000", "21000", "22001", "22003", "22021", "22P02", "22P05", "23502", "23503", "23505", "23514", "23P01", "25P02", "27000",
			"38000", "39000", "40002", "44000", "54000", "P0001", "P0002", "ZZ999", "", "4",
		},
	}
}

func TestSQLStateDeterminesKind(t *testing.T) {
	t.Parallel()
	for want, codes := range states() {
		for _, code := range codes {
			err := fmt.Errorf("read product: %w", &pgconn.PgError{Code: code, Message: "m"})
			marked := fmt.Errorf("read product: %w", dberr.Mark(t.Context(), errors.Unwrap(err)))
			for what, e := range map[string]error{"bare": err, "marked": marked} {
				if got := dberr.Of(e); got != want || dberr.Transient(e) != (want != dberr.Other) {
					t.Errorf("%s %s is %s, want %s", what, code, got, want)
				}
			}
			unavailable, unfit := want == dberr.Unavailable || want == dberr.Conflict, want == dberr.Unfit
			if errors.Is(marked, dberr.ErrUnavailable) != unavailable || errors.Is(marked, dberr.ErrUnfit) != unfit {
				t.Errorf("%s matches the wrong sentinel: %v", code, marked)
			}
			var reported *pgconn.PgError
			if !errors.As(marked, &reported) || reported.Code != code {
				t.Errorf("the chain of %[2]v has no PgError with code %[1]s", code, marked)
			}
		}
	}
}

func TestSpoils(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"25006": true, "57P01": true, "57P02": true, "57P03": true, "0A000": true, "26000": true, "42P05": true, "08006": true, "XX000": true,
		"57014": false, "25P02": false, "23505": false, "40001": false, "40P01": false, "42P01": false, "42501": false, "55P03": false, "53300": false,
	} {
		if got := dberr.Spoils(dberr.Mark(t.Context(), &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s spoils: %t, want %t", code, got, want)
		}
	}
	if dberr.Spoils(nil) || dberr.Spoils(io.EOF) {
		t.Error("an error that no server reported spoils the connection")
	}
}

// A network error may belong to any connection until the driver marks it.
func TestNetworkErrorIsUnavailableOnlyWhenMarked(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		io.ErrUnexpectedEOF, net.ErrClosed, &net.OpError{Op: "read", Err: errors.New("reset")}, context.DeadlineExceeded,
		fmt.Errorf("receive message: %w", io.EOF),
	} {
		if got := dberr.Of(err); got != dberr.Other {
			t.Errorf("%v is %s before it is marked", err, got)
		}
		if got := dberr.Of(dberr.Mark(t.Context(), err)); got != dberr.Unavailable {
			t.Errorf("%v is %s when it is marked", err, got)
		}
	}
	for _, err := range []error{driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, &pgconn.ConnectError{}} {
		if got := dberr.Of(fmt.Errorf("read: %w", err)); got != dberr.Unavailable {
			t.Errorf("%v is %s", err, got)
		}
	}
	for _, err := range []error{nil, errors.New("broken"), sql.ErrNoRows, io.EOF} {
		if got := dberr.Of(err); got != dberr.Other {
			t.Errorf("%v is %s", err, got)
		}
	}
}

// database/sql compares some errors by identity; the end of the caller's context is not
// the database's fault.
func TestMarkKeepsUnrelatedErrors(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, err := range []error{nil, io.EOF, driver.ErrBadConn, driver.ErrSkip, errors.New("broken")} {
		if got := dberr.Mark(t.Context(), err); got != err { //nolint:errorlint // the very same
			t.Errorf("%v became %v", err, got)
		}
	}
	for _, err := range []error{context.Canceled, &net.OpError{Op: "read", Err: context.Canceled}, &pgconn.ConnectError{}} {
		if got := dberr.Mark(ended, err); got != err { //nolint:errorlint // the very same
			t.Errorf("%v became %v although the caller's context ended", err, got)
		}
	}
	once := dberr.Mark(t.Context(), io.ErrUnexpectedEOF)
	if again := dberr.Mark(t.Context(), fmt.Errorf("x: %w", once)); again.Error() != "x: "+once.Error() {
		t.Errorf("marked twice: %v", again)
	}
}

func TestKindsOfSQLiteErrors(t *testing.T) {
	t.Parallel()
	conn, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	exec := func(query string) error {
		_, err := conn.ExecContext(t.Context(), query)
		return err
	}
	for _, query := range []string{"CREATE TABLE x (a INTEGER PRIMARY KEY, b TEXT NOT NULL CHECK (b <> ''))", "INSERT INTO x VALUES (1, 'b')"} {
		if err := exec(query); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]dberr.Kind{
		"SELECT 1 FROM nosuch":                dberr.Unfit,
		"SELECT nosuch FROM x":                dberr.Unfit,
		"INSERT INTO x (nosuch) VALUES (1)":   dberr.Unfit,
		"SELECT nosuch(1)":                    dberr.Unfit,
		"SELEC 1":                             dberr.Unfit,
		"INSERT INTO x VALUES (1, 'again')":   dberr.Other,
		"INSERT INTO x VALUES (2, NULL)":      dberr.Other,
		"INSERT INTO x VALUES (2, '')":        dberr.Other,
		"INSERT INTO x VALUES ('text', 'b')":  dberr.Other,
		"INSERT INTO x SELECT json('{'), 'b'": dberr.Other,
		"INSERT INTO x SELECT sum(v), 'b' FROM (SELECT 9223372036854775807 AS v UNION ALL SELECT 1)": dberr.Other,
	} {
		if err := exec(query); err == nil || dberr.Of(err) != want {
			t.Errorf("%s gives %v, which is %s, want %s", query, err, dberr.Of(err), want)
		}
	}
	if err := exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	if err := exec("INSERT INTO x VALUES (3, 'b')"); dberr.Of(err) != dberr.Unavailable {
		t.Errorf("a read-only file gives %v, which is %s", err, dberr.Of(err))
	}
}
