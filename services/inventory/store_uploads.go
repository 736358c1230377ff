package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/fault"
)

// chunkSize is the maximum size of a chunk in bytes.
const chunkSize = 1 << 20

// importChunk is a row with a part of an uploaded file.
type importChunk struct {
	ImportID string `gorm:"primaryKey"`
	N        int    `gorm:"primaryKey"`
	Data     []byte
}

// Upload stores a file in chunks, so that no transaction waits for the sender, and hands
// it over to the importer. A failed upload leaves nothing.
func (s *store) Upload(ctx context.Context, body io.Reader, ignored string) (Import, error) {
	im := Import{ID: uuid.Must(uuid.NewV7()).String(), Status: importUploading, Ignored: ignored, CreatedAt: s.now()}
	q := s.db.WithContext(ctx)
	if err := q.Create(&im).Error; err != nil {
		return im, db.Wrap(err, "create import")
	}
	err := s.uploadChunks(q, im.ID, body)
	if err == nil {
		now := s.now()
		im.Status, im.MovedAt = ImportPending, &now
		err = db.Wrap(q.Model(&im).Select("status", "moved_at").Updates(&im).Error, "hand over import")
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

// uploadWithin limits an upload. An older one counts as abandoned by a killed process.
const uploadWithin = 24 * time.Hour

// discardOldUploads removes what processes left that were killed during an upload.
func (s *store) discardOldUploads(ctx context.Context) error {
	var old []string
	err := s.db.WithContext(ctx).Model(&Import{}).
		Where("status = ? AND created_at < ?", importUploading, s.now().Add(-uploadWithin)).Pluck("id", &old).Error
	if err != nil {
		return db.Wrap(err, "find old uploads")
	}
	for _, id := range old {
		if err := s.discard(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) discard(ctx context.Context, id string) error {
	return dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		if err := tx.Delete(&importChunk{}, "import_id = ?", id).Error; err != nil {
			return db.Wrap(err, "discard upload")
		}
		return db.Wrap(tx.Delete(&Import{}, "id = ?", id).Error, "discard import")
	})
}

// file reads an import's file from offset on, a chunk at a time.
func (s *store) file(ctx context.Context, id string, offset int64) io.Reader {
	return &chunkReader{ctx: ctx, db: s.db, id: id, n: offset / chunkSize, skip: offset % chunkSize}
}

// chunkWithin bounds the reading of a chunk.
const chunkWithin = 15 * time.Second

type chunkReader struct {
	ctx  context.Context //nolint:containedctx // an io.Reader has no other way to be cancelled
	db   *gorm.DB
	id   string
	n    int64 // the next chunk
	skip int64 // bytes at its beginning
	rest []byte
}

// Read implements io.Reader. A chunk that is missing in the middle is a fault.
func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		data, err := r.chunk()
		if err != nil {
			return 0, err
		}
		r.rest = data[min(r.skip, int64(len(data))):]
		r.skip = 0
		r.n++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *chunkReader) chunk() ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.ctx, chunkWithin)
	defer cancel()
	var c importChunk
	res := r.db.WithContext(ctx).Where("import_id = ? AND n >= ?", r.id, r.n).Order("n").Limit(1).Find(&c)
	switch {
	case res.Error != nil:
		return nil, db.Wrap(res.Error, "read upload")
	case res.RowsAffected == 0:
		return nil, io.EOF
	case int64(c.N) != r.n:
		return nil, fault.New(fault.Malformed, "import_incomplete", "the file is not complete in the database: chunk %d is missing. Send the file again", r.n)
	}
	return c.Data, nil
}
