package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Position is a position between two records of a file.
type Position struct {
	Offset int64 // number of bytes before the position
	Line   int64 // number of the line that begins there, from 1
}

var (
	errQuote = errors.New("a quotation mark is missing, or one too many")
	errLong  = errors.New("the line is too long")
)

// scanner splits a file into records. It buffers at most max bytes of a record.
type scanner struct {
	src  io.Reader
	max  int
	buf  []byte // bytes that were read and not yet consumed
	err  error  // error of src after the bytes in buf
	at   Position
	room []byte // buf's memory
}

func newScanner(src io.Reader, limit int, at Position) *scanner {
	return &scanner{src: src, max: limit, at: at, room: make([]byte, 0, 2*limit+2)}
}

// have reads until buf has n bytes. It returns false if the file ends or fails before.
func (s *scanner) have(n int) bool {
	for len(s.buf) < n && s.err == nil {
		if cap(s.buf) == len(s.buf) || cap(s.buf) < n {
			s.buf = append(s.room[:0], s.buf...)
		}
		var read int
		read, s.err = s.src.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+read]
	}
	return len(s.buf) >= n
}

// consume drops n bytes, which contain the given number of line ends.
func (s *scanner) consume(n int, lines int64) {
	s.buf = s.buf[n:]
	s.at.Offset += int64(n)
	s.at.Line += lines
}

// lineEnd returns the length of the line end (CR, LF or CR LF) at i, or 0 if there is none.
func (s *scanner) lineEnd(i int) int {
	switch {
	case !s.have(i + 1):
		return 0
	case s.buf[i] == '\n':
		return 1
	case s.buf[i] == '\r' && s.have(i+2) && s.buf[i+1] == '\n':
		return 2
	case s.buf[i] == '\r':
		return 1
	}
	return 0
}

// record is a record of a file, or a line that is not a valid record.
type record struct {
	raw   []byte // valid until the next call
	bytes int    // size in the file, including the line end
	lines int64  // line ends in it
	wrong error
}

// next skips blank lines and returns the next record without consuming it. It returns errors
// of the file, and io.EOF at its end.
func (s *scanner) next(comma byte) (record, error) {
	for n := s.lineEnd(0); n > 0; n = s.lineEnd(0) {
		s.consume(n, 1)
	}
	if !s.have(1) {
		return record{}, s.err
	}
	r, err := s.scan(comma)
	if err == nil && s.err != nil && !errors.Is(s.err, io.EOF) {
		return record{}, s.err // a CR may be the first half of a line end
	}
	return r, err
}

// place describes the scanner's current byte within a record.
type place struct {
	fresh  bool  // the byte begins a field
	quoted bool  // the byte is in a quoted field
	wrong  bool  // the line has a misplaced quotation mark before the byte
	lines  int64 // line ends before it
	first  int   // where the record's second line begins; 0 in the first one
}

// scan finds the end of a record. A quotation mark opens a quoted field only at the beginning
// of the field. If the record is invalid, scan returns only its first line, so that the next
// lines are read separately.
func (s *scanner) scan(comma byte) (record, error) {
	at := place{fresh: true}
	i := 0
	for ; s.have(i + 1); i++ {
		end := s.lineEnd(i)
		switch {
		case i >= s.max && (at.quoted || end == 0):
			return s.overlong(at)
		case end > 0 && at.quoted:
			if at.lines++; at.first == 0 {
				at.first = i + end
			}
			i += end - 1
		case end > 0 && at.wrong:
			return record{bytes: i + end, lines: 1, wrong: errQuote}, nil
		case end > 0:
			return record{raw: s.buf[:i], bytes: i + end, lines: at.lines + 1}, nil
		case s.buf[i] == '"' && !at.wrong:
			i += s.quote(&at, i, comma)
			if at.wrong && at.first > 0 {
				return record{bytes: at.first, lines: 1, wrong: errQuote}, nil
			}
		}
		at.fresh = !at.quoted && s.buf[i] == comma
	}
	return s.last(at, i)
}

// quote handles the quotation mark at i. It returns 1 if the next byte belongs to the mark,
// and 0 otherwise.
func (s *scanner) quote(at *place, i int, comma byte) int {
	switch {
	case at.quoted && s.have(i+2) && s.buf[i+1] == '"':
		return 1
	case at.quoted:
		at.quoted = false
		at.wrong = s.have(i+2) && s.buf[i+1] != comma && s.lineEnd(i+1) == 0
	case at.fresh:
		at.quoted = true
	default:
		at.wrong = true
	}
	return 0
}

// last returns the last record of the file, with a size of n bytes.
func (s *scanner) last(at place, n int) (record, error) {
	switch {
	case !errors.Is(s.err, io.EOF):
		return record{}, s.err
	case at.quoted && at.first > 0:
		return s.unclosed(at.first, "before the end of the file"), nil
	case at.quoted || at.wrong:
		return record{bytes: n, wrong: errQuote}, nil
	}
	return record{raw: s.buf[:n], bytes: n, lines: at.lines}, nil
}

// unclosed returns an invalid record for the line in which a quoted field begins that does
// not end within bound.
func (s *scanner) unclosed(first int, bound string) record {
	return record{bytes: first, lines: 1, wrong: fmt.Errorf(
		"%w. The quoted field that begins in this line does not end %s; reading went on at line %d", errQuote, bound, s.at.Line+1)}
}

// overlong returns an invalid record for a record of more than max bytes: the first line of a
// record with several lines, or otherwise the whole line, whose rest it skips.
func (s *scanner) overlong(at place) (record, error) {
	if at.first > 0 {
		if at.quoted {
			return s.unclosed(at.first, fmt.Sprintf("within %d bytes", s.max)), nil
		}
		return record{bytes: at.first, lines: 1, wrong: fmt.Errorf("%w: a record of more than %d bytes begins here", errLong, s.max)}, nil
	}
	wrong := fmt.Errorf("%w: it has more than %d bytes", errLong, s.max)
	for {
		if end := bytes.IndexAny(s.buf, "\r\n"); end >= 0 {
			return record{bytes: end + s.lineEnd(end), lines: 1, wrong: wrong}, nil
		}
		s.consume(len(s.buf), 0)
		if !s.have(1) {
			break
		}
	}
	if !errors.Is(s.err, io.EOF) {
		return record{}, s.err
	}
	return record{wrong: wrong}, nil
}

// split returns the fields of a record that was scanned without an error.
func split(raw []byte, comma byte) (fields []string) {
	for {
		if len(raw) == 0 || raw[0] != '"' {
			field, rest, more := bytes.Cut(raw, []byte{comma})
			fields = append(fields, string(field))
			if !more {
				return fields
			}
			raw = rest
			continue
		}
		var field []byte
		raw = raw[1:]
		for {
			piece, rest, _ := bytes.Cut(raw, []byte{'"'})
			field, raw = append(field, piece...), rest
			if len(raw) == 0 || raw[0] != '"' {
				break
			}
			field, raw = append(field, '"'), raw[1:]
		}
		fields = append(fields, string(field))
		if len(raw) == 0 {
			return fields
		}
		raw = raw[1:] // the separator
	}
}
