package inventory

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"quadrille/pkg/fault"
)

// The life of an import.
const (
	ImportPending = "pending"
	ImportRunning = "running"
	ImportDone    = "done"
)

// Import is a CSV file of receipts that the service works off in the
// background. Processed counts the records dealt with, Rejected those of them
// that could not be taken; each has its line in the errors.
type Import struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	Total      int64 // records in the file; 0 while pending
	Processed  int64
	Rejected   int64
	CreatedAt  time.Time
	FinishedAt *time.Time
}

// ImportError is a record that was not taken, by its line in the file (from 1).
type ImportError struct {
	ImportID string `gorm:"primaryKey"`
	Line     int    `gorm:"primaryKey"`
	Detail   string
}

// importColumns are the columns that an import must have, in any order; others
// are ignored.
var importColumns = []string{"external_id", "sku", "quantity"}

// records reads receipts from a CSV file, one at a time.
type records struct {
	csv    *csv.Reader
	column map[string]int
}

// openRecords reads the header. Its errors are faults that name what is wrong.
func openRecords(r io.Reader) (*records, error) {
	reader := csv.NewReader(r)
	reader.FieldsPerRecord = -1
	reader.ReuseRecord = true
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Malformed, "csv_empty", "the file is empty; line 1 must name the columns %s", strings.Join(importColumns, ", "))
	}
	if err != nil {
		return nil, fault.New(fault.Malformed, "csv_malformed", "this is no CSV file: %v", err)
	}
	rec := &records{csv: reader, column: map[string]int{}}
	for i, name := range header {
		rec.column[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	for _, name := range importColumns {
		if _, ok := rec.column[name]; !ok {
			return nil, fault.New(fault.Malformed, "csv_column_missing", "line 1: column %q is missing; the columns are %s", name, strings.Join(importColumns, ", "))
		}
	}
	return rec, nil
}

// next is the next record: the receipt, or why the record is none. io.EOF ends
// the file.
func (r *records) next() (m Movement, line int, reason error, err error) { //nolint:revive // reason is a result, not the call's failure
	fields, err := r.csv.Read()
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		return Movement{}, broken.StartLine, broken.Err, nil
	case err != nil:
		return Movement{}, 0, nil, err
	}
	line, _ = r.csv.FieldPos(0)
	m, reason = r.receipt(fields)
	return m, line, reason, nil
}

func (r *records) receipt(fields []string) (Movement, error) {
	for _, name := range importColumns {
		if r.column[name] >= len(fields) {
			return Movement{}, fmt.Errorf("the line has %d fields, column %q is missing", len(fields), name)
		}
	}
	field := func(name string) string { return strings.Clone(strings.TrimSpace(fields[r.column[name]])) }
	quantity, err := strconv.ParseInt(field("quantity"), 10, 64)
	if err != nil {
		return Movement{}, fmt.Errorf("quantity %.40q is not a whole number", field("quantity"))
	}
	m := Movement{Kind: Receipt, ExternalID: field("external_id"), SKU: field("sku"), Quantity: quantity}
	if len(m.ExternalID) > MaxExternalID {
		return Movement{}, fmt.Errorf("external_id is longer than %d characters", MaxExternalID)
	}
	return m, m.check()
}

// MaxExternalID bounds an external ID, in bytes.
const MaxExternalID = 200

// byCode is the SKU codes of movements, sorted, each once.
func byCode(movements []Movement) []string {
	codes := make([]string, 0, len(movements))
	for _, m := range movements {
		codes = append(codes, m.SKU)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
