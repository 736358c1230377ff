package csvfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"quadrille/internal/plaintext"
)

// MaxRecord is the default of Config.MaxRecord, in bytes.
const MaxRecord = 64 << 10

// Config has the required columns and the limits of a file.
type Config struct {
	Columns   []string // columns that the header must name, in lower case
	MaxRecord int      // maximum size of a record in bytes; 0 means the default MaxRecord
}

// Reader reads the records of a file. It is not safe for concurrent use.
type Reader struct {
	cfg     Config
	scanner *scanner
	header  header
	place   map[string]int
}

// Record is one record of a file, or a line that is not a valid record.
type Record struct {
	Line  int64 // where the record begins, counted from 1
	Wrong error // why the line is not a valid record; its fields are then empty
	End   Position
	place map[string]int
	field []string
}

// Field returns the record's field in a required column, without the white space around
// it.
func (r Record) Field(column string) string {
	if at, has := r.place[column]; has && at < len(r.field) {
		return strings.TrimSpace(r.field[at])
	}
	return ""
}

// Open reads the header of a file in UTF-8, as returned by Decode. It returns errors of file,
// and faults that say what is wrong with the header.
func Open(file io.Reader, cfg Config) (*Reader, error) {
	if len(cfg.Columns) == 0 {
		return nil, errors.New("csvfile: no columns are required")
	}
	if cfg.MaxRecord == 0 {
		cfg.MaxRecord = MaxRecord
	}
	r := &Reader{cfg: cfg, scanner: newScanner(file, cfg.MaxRecord, Position{Line: 1}), place: map[string]int{}}
	if r.scanner.have(3) && string(r.scanner.buf[:3]) == "\ufeff" {
		r.scanner.consume(3, 0)
	}
	var err error
	if r.header, err = readHeader(r.scanner, cfg.Columns); err != nil {
		return nil, err
	}
	for _, name := range cfg.Columns {
		r.place[name] = slices.Index(r.header.names, name)
	}
	return r, nil
}

// Ignored returns the names of the columns that are not required.
func (r *Reader) Ignored() []string { return r.header.others(r.cfg.Columns) }

// Resume continues at a position that Position or Record.End returned. rest is the file from
// this position on.
func (r *Reader) Resume(rest io.Reader, at Position) {
	r.scanner = newScanner(rest, r.cfg.MaxRecord, at)
}

// Position returns the position of the next record.
func (r *Reader) Position() Position { return r.scanner.at }

// Next returns the next record. For a line that cannot be read it returns a Record with
// the reason in Wrong. Its error concerns the whole file; io.EOF marks the end.
func (r *Reader) Next() (Record, error) {
	found, err := r.scanner.next(r.header.comma)
	if err != nil {
		return Record{}, err
	}
	rec := Record{Line: r.scanner.at.Line, Wrong: found.wrong, place: r.place}
	if rec.Wrong == nil {
		fields := split(found.raw, r.header.comma)
		if rec.Wrong = r.check(fields); rec.Wrong == nil {
			rec.field = fields
		}
	}
	r.scanner.consume(found.bytes, found.lines)
	rec.End = r.scanner.at
	return rec, nil
}

// check returns an error if a line has too many or too few fields, or a field that cannot be
// stored as text.
func (r *Reader) check(fields []string) error {
	for i, field := range fields {
		switch {
		case i >= len(r.header.names) && strings.TrimSpace(field) != "":
			return fmt.Errorf("the line has %d fields, the header names %d columns", len(fields), len(r.header.names))
		case !plaintext.Storable(field):
			return fmt.Errorf("%s holds U+0000, or bytes that are not valid in the file's character set, which is UTF-8 unless the Content-Type or a byte order mark says otherwise", r.column(i))
		}
	}
	for _, name := range r.cfg.Columns {
		if r.place[name] >= len(fields) {
			return fmt.Errorf("the line has %d fields, column %q is missing", len(fields), name)
		}
	}
	return nil
}

// column returns the name of the column at index i for a message.
func (r *Reader) column(i int) string {
	if i < len(r.header.names) && r.header.names[i] != "" {
		return fmt.Sprintf("column %q", plaintext.Shorten(r.header.names[i], 40))
	}
	return fmt.Sprintf("column %d", i+1)
}
