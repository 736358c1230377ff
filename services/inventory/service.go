package inventory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"golang.org/x/text/encoding"

	"quadrille/internal/csvfile"
	"quadrille/pkg/sku"
)

// Service implements the operations of inventory. Its methods are safe for concurrent
// use. They return faults, or errors of the database.
type Service struct {
	store  *store
	wake   func()        // there is something to relay
	upload chan struct{} // signals an uploaded file; of size 1
}

// Move records a receipt or an adjustment. created is false if it was recorded before.
func (s *Service) Move(ctx context.Context, m Movement) (kept Movement, created bool, err error) {
	if err := m.check(); err != nil {
		return m, false, err
	}
	kept, created, err = s.store.Record(ctx, m)
	if created && err == nil {
		s.wake()
	}
	return kept, created, err
}

// SKU returns the stock of one SKU; its code may be in either case.
func (s *Service) SKU(ctx context.Context, code string) (SKU, error) {
	code, err := sku.Normalize(code)
	if err != nil {
		return SKU{}, err
	}
	return s.store.SKU(ctx, code)
}

// SKUs lists up to limit SKUs, by code, after the code after. With codes, only
// those of them that exist.
func (s *Service) SKUs(ctx context.Context, codes []string, after string, limit int) ([]SKU, error) {
	wanted, err := sku.NormalizeAll(codes)
	if err != nil {
		return nil, err
	}
	return s.store.SKUs(ctx, wanted, after, limit)
}

// Allocation returns the allocation of one order.
func (s *Service) Allocation(ctx context.Context, order string) (Allocation, error) {
	return s.store.Allocation(ctx, order)
}

// Allocations lists up to limit allocations after the order after; with orders,
// only theirs.
func (s *Service) Allocations(ctx context.Context, orders []string, after string, limit int) ([]Allocation, error) {
	return s.store.Allocations(ctx, orders, after, limit)
}

// Upload stores a CSV file of receipts in charset for processing in the background. It
// refuses a file with an invalid header at once. Invalid records are rejected one by one
// and listed in the import.
func (s *Service) Upload(ctx context.Context, file io.Reader, charset encoding.Encoding) (Import, error) {
	decoded, err := csvfile.Decode(file, charset)
	if err != nil {
		return Import{}, err
	}
	const header = 2 * csvfile.MaxRecord
	buffered := bufio.NewReaderSize(decoded, header)
	head, err := buffered.Peek(header)
	if err != nil && !errors.Is(err, io.EOF) {
		return Import{}, err
	}
	columns, err := csvfile.Open(bytes.NewReader(head), importFile())
	if err != nil {
		return Import{}, err
	}
	im, err := s.store.Upload(ctx, buffered, ignoredColumns(columns.Ignored()))
	if err != nil {
		return im, err
	}
	select {
	case s.upload <- struct{}{}:
	default:
	}
	return im, nil
}

// errorsShown bounds the rejected lines that Import returns.
const errorsShown = 1000

// Import returns one import with its first errors.
func (s *Service) Import(ctx context.Context, id string) (Import, []ImportError, error) {
	return s.store.Import(ctx, id, errorsShown)
}

// CancelImport cancels an import that has not ended and returns its new state.
func (s *Service) CancelImport(ctx context.Context, id string) (Import, []ImportError, error) {
	if err := s.store.Cancel(ctx, id); err != nil {
		return Import{}, nil, err
	}
	return s.store.Import(ctx, id, errorsShown)
}
