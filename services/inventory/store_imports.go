package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/db"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// chunkSize is how much of an upload one row keeps, in bytes.
const chunkSize = 1 << 20

// importUploading is an import whose file is still being sent. It is never
// worked off; one whose upload broke is removed.
const importUploading = "uploading"

// importChunk is a piece of an uploaded file.
type importChunk struct {
	ImportID string `gorm:"primaryKey"`
	N        int    `gorm:"primaryKey"`
	Data     []byte
}

// Upload stores the file that body reads, piece by piece so that no transaction
// waits for the sender, and hands it over to the worker. An upload that breaks
// leaves nothing.
func (s *store) Upload(ctx context.Context, body io.Reader) (Import, error) {
	im := Import{ID: uuid.Must(uuid.NewV7()).String(), Status: importUploading, CreatedAt: s.now()}
	q := s.db.WithContext(ctx)
	if err := q.Create(&im).Error; err != nil {
		return im, db.Wrap(err, "create import")
	}
	err := s.uploadChunks(q, im.ID, body)
	if err == nil {
		im.Status = ImportPending
		err = db.Wrap(q.Model(&im).Update("status", ImportPending).Error, "hand over import")
	}
	if err != nil {
		return im, errors.Join(err, s.discard(context.WithoutCancel(ctx), im.ID))
	}
	return im, nil
}

func (s *store) uploadChunks(q *gorm.DB, id string, body io.Reader) error {
	for n := 0; ; n++ {
		piece, err := io.ReadAll(io.LimitReader(body, chunkSize))
		if err != nil {
			return fmt.Errorf("read upload: %w", err)
		}
		if len(piece) == 0 {
			return nil
		}
		if err := q.Create(&importChunk{ImportID: id, N: n, Data: piece}).Error; err != nil {
			return db.Wrap(err, "store upload")
		}
	}
}

func (s *store) discard(ctx context.Context, id string) error {
	return s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Delete(&importChunk{}, "import_id = ?", id).Error; err != nil {
			return db.Wrap(err, "discard upload")
		}
		return db.Wrap(tx.Delete(&Import{}, "id = ?", id).Error, "discard import")
	})
}

// Import is one import with its first errors, errorLimit at the most.
func (s *store) Import(ctx context.Context, id string, errorLimit int) (Import, []ImportError, error) {
	var im Import
	q := s.db.WithContext(ctx)
	err := q.First(&im, "id = ? AND status <> ?", id, importUploading).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return im, nil, fault.New(fault.NotFound, "import_unknown", "there is no import %s", id)
	}
	if err != nil {
		return im, nil, db.Wrap(err, "read import")
	}
	var refused []ImportError
	err = q.Where("import_id = ?", id).Order("line").Limit(errorLimit).Find(&refused).Error
	return im, refused, db.Wrap(err, "read import errors")
}

// nextImport is the oldest import that is not done, if there is one.
func (s *store) nextImport(ctx context.Context) (im Import, found bool, err error) {
	res := s.db.WithContext(ctx).Where("status IN ?", []string{ImportPending, ImportRunning}).Order("id").Limit(1).Find(&im)
	return im, res.RowsAffected == 1, db.Wrap(res.Error, "find import")
}

// startImport remembers how many records there are.
func (s *store) startImport(ctx context.Context, im *Import, total int64) error {
	im.Status, im.Total = ImportRunning, total
	return db.Wrap(s.db.WithContext(ctx).Model(im).Select("status", "total").Updates(im).Error, "start import")
}

// errOvertaken: another instance has worked off the same records meanwhile.
var errOvertaken = errors.New("import is worked off by another instance")

// record is one record of an import: a movement, or why it is none.
type record struct {
	movement Movement
	line     int
	reason   error
}

// takeRecords takes a batch of records into the stock and moves the import on by
// as many, together. The number processed so far is the fencing token.
func (s *store) takeRecords(ctx context.Context, im *Import, batch []record) error {
	var refused int64
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		errs, err := s.receiveAll(ctx, tx, batch)
		if err != nil {
			return err
		}
		if refused, err = keepErrors(tx, im.ID, errs); err != nil {
			return err
		}
		res := tx.Model(&Import{}).Where("id = ? AND processed = ?", im.ID, im.Processed).
			Updates(map[string]any{"processed": im.Processed + int64(len(batch)), "rejected": im.Rejected + refused})
		if res.Error == nil && res.RowsAffected == 0 {
			return errOvertaken
		}
		return db.Wrap(res.Error, "move import on")
	})
	if err == nil {
		im.Processed += int64(len(batch))
		im.Rejected += refused
	}
	return err
}

// receiveAll is Record for many, with one event for each SKU. It returns the
// records that cannot be taken, with their reasons.
func (s *store) receiveAll(ctx context.Context, tx *gorm.DB, batch []record) (refused []record, err error) {
	var good []record
	for _, r := range batch {
		if r.reason != nil {
			refused = append(refused, r)
		} else {
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		return refused, nil
	}
	codes := codesIn(good)
	if err := ensureSKUs(tx, codes, s.now()); err != nil {
		return nil, err
	}
	stock, err := lockStock(tx, codes, s.now())
	if err != nil {
		return nil, err
	}
	before := snapshot(stock)
	for _, r := range good {
		if r.reason, err = s.receiveOne(tx, stock, r.movement); err != nil {
			return nil, err
		}
		if r.reason != nil {
			refused = append(refused, r)
		}
	}
	return refused, s.saveStock(ctx, tx, stock.changedSince(before), map[string]events.Event{})
}

// receiveOne takes one movement into stock. reason is why it cannot be taken.
func (s *store) receiveOne(tx *gorm.DB, stock Stock, m Movement) (reason, err error) {
	m.MovedAt = s.now()
	trial := *stock[m.SKU]
	if reason := trial.Move(m); reason != nil {
		return reason, nil
	}
	_, created, err := insertMovement(tx, m)
	if fault.Is(err, fault.Conflict) {
		return err, nil
	}
	if err != nil || !created {
		return nil, err
	}
	*stock[m.SKU] = trial
	return nil, nil
}

func codesIn(records []record) []string {
	movements := make([]Movement, len(records))
	for i, r := range records {
		movements[i] = r.movement
	}
	return byCode(movements)
}

func keepErrors(tx *gorm.DB, id string, refused []record) (int64, error) {
	if len(refused) == 0 {
		return 0, nil
	}
	rows := make([]ImportError, len(refused))
	for i, r := range refused {
		rows[i] = ImportError{ImportID: id, Line: r.line, Detail: explain(r.reason)}
	}
	once := clause.OnConflict{DoNothing: true}
	return int64(len(rows)), db.Wrap(tx.Clauses(once).CreateInBatches(rows, 500).Error, "keep import errors")
}

// explain is a reason in words for the person who sent the file.
func explain(reason error) string {
	var f *fault.Fault
	if errors.As(reason, &f) {
		return f.Detail
	}
	return reason.Error()
}

// finishImport ends an import and lets go of the file.
func (s *store) finishImport(ctx context.Context, im Import) error {
	return s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		now := s.now()
		if err := tx.Model(&im).Updates(map[string]any{"status": ImportDone, "finished_at": &now}).Error; err != nil {
			return db.Wrap(err, "finish import")
		}
		return db.Wrap(tx.Delete(&importChunk{}, "import_id = ?", im.ID).Error, "let go of upload")
	})
}

// file reads an uploaded file from its chunks, one at a time.
func (s *store) file(ctx context.Context, id string) io.Reader {
	return &chunkReader{ctx: ctx, db: s.db, id: id}
}

type chunkReader struct {
	ctx  context.Context //nolint:containedctx // an io.Reader has no other way to be cancelled
	db   *gorm.DB
	id   string
	n    int
	rest []byte
}

// Read is io.Reader's.
func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		var c importChunk
		res := r.db.WithContext(r.ctx).Where("import_id = ? AND n = ?", r.id, r.n).Limit(1).Find(&c)
		if res.Error != nil {
			return 0, db.Wrap(res.Error, "read upload")
		}
		if res.RowsAffected == 0 {
			return 0, io.EOF
		}
		r.rest = c.Data
		r.n++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
