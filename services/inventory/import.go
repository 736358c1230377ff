package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"quadrille/internal/csvfile"
	"quadrille/internal/plaintext"
	"quadrille/pkg/fault"
)

// The life of an import. It ends as done, failed or cancelled.
const (
	// importUploading is the status during the upload. Such an import is not processed;
	// it is removed if the upload fails.
	importUploading = "uploading"

	ImportPending   = "pending"
	ImportRunning   = "running"
	ImportDone      = "done"
	ImportFailed    = "failed"
	ImportCancelled = "cancelled"
)

// Import is a CSV file of receipts that is processed in the background. Processed counts
// all processed records, including the Rejected ones.
type Import struct {
	ID         string `gorm:"primaryKey"`
	Status     string
	Total      int64 // records in the file; 0 while pending
	Processed  int64
	Rejected   int64
	Ignored    string // names of ignored columns, one per line
	Reason     string // why it failed or, while it is not over, why it is delayed
	CreatedAt  time.Time
	FinishedAt *time.Time
	MovedAt    *time.Time // last progress

	// ReadOffset and ReadLine are the position after the processed records.
	ReadOffset int64
	ReadLine   int64
}

// ImportError is a rejected record with its line in the file, from 1.
type ImportError struct {
	ImportID string `gorm:"primaryKey"`
	Line     int64  `gorm:"primaryKey"`
	Detail   string
}

// over reports whether the import has ended.
func (im Import) over() bool { return im.Status != ImportPending && im.Status != ImportRunning }

// position returns the position of the next record; the zero Position is the first.
func (im Import) position() csvfile.Position {
	return csvfile.Position{Offset: im.ReadOffset, Line: im.ReadLine}
}

// ignored returns the names of the ignored columns.
func (im Import) ignored() []string {
	return slices.DeleteFunc(strings.Split(im.Ignored, "\n"), func(name string) bool { return name == "" })
}

// maxIgnored bounds how many names of columns an import keeps.
const maxIgnored = 20

// ignoredColumns encodes names for Import.Ignored.
func ignoredColumns(names []string) string {
	kept := make([]string, 0, maxIgnored)
	for _, name := range names[:min(len(names), maxIgnored)] {
		kept = append(kept, plaintext.Shorten(strings.Join(strings.Fields(name), " "), 60))
	}
	return strings.Join(kept, "\n")
}

// importFile returns the required format of an import's file.
func importFile() csvfile.Config {
	return csvfile.Config{Columns: []string{"external_id", "sku", "quantity"}}
}

// receiptOf converts a record to a receipt. Its error is for the sender of the file.
func receiptOf(r csvfile.Record) (Movement, error) {
	if r.Wrong != nil {
		return Movement{}, r.Wrong
	}
	quantity, err := strconv.ParseInt(r.Field("quantity"), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return Movement{}, fmt.Errorf("quantity %.40s is out of range: a receipt has 1 to %d pieces", r.Field("quantity"), int64(MaxQuantity))
	}
	if err != nil {
		return Movement{}, fmt.Errorf("quantity %.40q is not a whole number", r.Field("quantity"))
	}
	m := Movement{Kind: Receipt, ExternalID: r.Field("external_id"), SKU: r.Field("sku"), Quantity: quantity}
	return m, m.check()
}

// explain converts an error to a reason for the sender of the file.
func explain(reason error) string {
	detail := reason.Error()
	var f *fault.Fault
	if errors.As(reason, &f) {
		detail = f.Detail
	}
	return plaintext.Shorten(plaintext.Clean(detail), 500)
}

// errImportOver returns the fault (Conflict) for cancelling an import that has ended.
func (im Import) errImportOver() error {
	return fault.New(fault.Conflict, "import_over", "import %s is %s: there is nothing left to cancel", im.ID, im.Status)
}

// byCode returns the SKU codes of movements, sorted, each once.
func byCode(movements []Movement) []string {
	codes := make([]string, 0, len(movements))
	for _, m := range movements {
		codes = append(codes, m.SKU)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
