package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"quadrille/internal/plaintext"
	"quadrille/pkg/fault"
)

// separators lists the supported separators in the order of preference.
const separators = ",;\t|"

// header has the names of the columns and the separator of a file.
type header struct {
	comma byte
	names []string // in lower case
	line  int64
}

// readHeader reads an optional sep= line and the header. Without a sep= line it chooses the
// separator with which the header has the most required columns. Errors are faults that say
// what the file has instead.
func readHeader(s *scanner, required []string) (header, error) {
	comma, declared, err := readSeparator(s)
	if err != nil {
		return header{}, err
	}
	candidates := separators
	if declared {
		candidates = string(comma)
	}
	best, err := bestHeader(s, candidates, required)
	if err != nil {
		return header{}, err
	}
	rec, err := s.next(best.comma)
	if err != nil {
		return header{}, err
	}
	s.consume(rec.bytes, rec.lines)
	return best, best.check(required)
}

// bestHeader parses the next record as a header with each candidate separator, and returns
// the header with the most required columns. It does not consume the record.
func bestHeader(s *scanner, candidates string, required []string) (best header, err error) {
	most := -1
	for i := range len(candidates) {
		h, wrong := s.headerWith(candidates[i], required)
		if wrong != nil && i == 0 {
			err = wrong // returned only if no other separator fits
		}
		if shown := h.shows(required); wrong == nil && shown > most {
			best, most = h, shown
		}
	}
	if most >= 0 {
		return best, nil
	}
	if errors.Is(err, io.EOF) {
		err = fault.New(fault.Malformed, "csv_empty", "the file is empty; line 1 must name the columns %s", strings.Join(required, ", "))
	}
	return best, err
}

// readSeparator consumes a first line such as sep=; which Excel writes and reads.
func readSeparator(s *scanner) (comma byte, declared bool, err error) {
	const word = "sep="
	if !s.have(len(word)) || !strings.EqualFold(string(s.buf[:len(word)]), word) {
		return 0, false, nil
	}
	n := len(word)
	for s.have(n+1) && s.lineEnd(n) == 0 && n < len(word)+10 {
		n++
	}
	said := string(s.buf[len(word):n])
	if len(said) != 1 || !strings.Contains(separators, said) {
		return 0, false, fault.New(fault.Malformed, "csv_separator_unsupported",
			"line 1: the separator %q is not supported; use a comma, a semicolon, a tab or a vertical bar", plaintext.Clean(said))
	}
	s.consume(n+s.lineEnd(n), 1)
	return said[0], true, nil
}

// headerWith parses the next record as a header with this separator, and does not consume
// it. It returns io.EOF at the end of the file.
func (s *scanner) headerWith(comma byte, required []string) (header, error) {
	rec, err := s.next(comma)
	if err != nil {
		return header{}, err
	}
	h := header{comma: comma, line: s.at.Line}
	switch {
	case rec.wrong != nil:
		return h, malformed("this is no CSV file: line %d must name the columns %s, but %v", h.line, strings.Join(required, ", "), rec.wrong)
	case bytes.IndexByte(rec.raw, 0) >= 0:
		return h, malformed("this is no CSV file that can be read: line %d holds U+0000. It is binary, or in a character set that was not declared, such as UTF-16: add it to the Content-Type, as in text/csv; charset=utf-16", h.line)
	case !plaintext.Storable(string(rec.raw)):
		return h, malformed("line %d is not valid UTF-8: send the file as UTF-8, or add its character set to the Content-Type, as in text/csv; charset=windows-1252", h.line)
	}
	for _, name := range split(rec.raw, comma) {
		h.names = append(h.names, strings.ToLower(strings.TrimSpace(name)))
	}
	return h, nil
}

// shows returns the number of required columns in the header.
func (h header) shows(required []string) (n int) {
	for _, name := range required {
		if slices.Contains(h.names, name) {
			n++
		}
	}
	return n
}

// check returns a fault if a required column is missing or any column is named twice.
func (h header) check(required []string) error {
	for i, name := range h.names {
		if first := slices.Index(h.names, name); name != "" && first < i {
			return fault.New(fault.Malformed, "csv_column_twice", "line %d: column %q is named twice, as column %d and %d", h.line, plaintext.Shorten(name, 40), first+1, i+1)
		}
	}
	for _, name := range required {
		if !slices.Contains(h.names, name) {
			return fault.New(fault.Malformed, "csv_column_missing", "line %d: column %q is missing; the columns must be %s. Found: %s, separated by %s",
				h.line, name, strings.Join(required, ", "), list(h.names), separatorName(h.comma))
		}
	}
	return nil
}

// others returns the names of the columns that are not required.
func (h header) others(required []string) (names []string) {
	for _, name := range h.names {
		if name != "" && !slices.Contains(required, name) {
			names = append(names, name)
		}
	}
	return names
}

// list returns the first 20 names for a message, and the number of the others.
func list(names []string) string {
	const most = 20
	quoted := make([]string, 0, most+1)
	for i, name := range names {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		quoted = append(quoted, fmt.Sprintf("%q", plaintext.Shorten(name, 40)))
	}
	return strings.Join(quoted, ", ")
}

func separatorName(comma byte) string {
	switch comma {
	case ',':
		return "commas"
	case ';':
		return "semicolons"
	case '\t':
		return "tabs"
	default:
		return "vertical bars"
	}
}
