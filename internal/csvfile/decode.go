package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"

	"quadrille/pkg/fault"
)

// Charset returns the character set with a name of the WHATWG Encoding Standard, in either
// case, with or without hyphens: "windows-1252", "latin-1", "UTF-16". An empty name means
// UTF-8. The error names the character set.
func Charset(name string) (encoding.Encoding, error) {
	if strings.TrimSpace(name) == "" {
		return unicode.UTF8, nil
	}
	found, err := htmlindex.Get(name)
	if err != nil {
		found, err = htmlindex.Get(strings.NewReplacer("-", "", "_", "").Replace(name))
	}
	if err != nil || found == encoding.Replacement {
		return nil, fmt.Errorf("the character set %.40q is not supported: send the file as UTF-8, or declare utf-16, windows-1252 or another one of the WHATWG Encoding Standard", name)
	}
	return found, nil
}

// mark is a byte order mark. charset is nil if files with this mark are not supported.
type mark struct {
	bytes   string
	name    string
	charset encoding.Encoding
}

// marks returns all marks. UTF-32 comes first, since its little-endian mark begins with the
// mark of UTF-16.
func marks() []mark {
	return []mark{
		{"\xff\xfe\x00\x00", "UTF-32", nil},
		{"\x00\x00\xfe\xff", "UTF-32", nil},
		{"\xff\xfe", "UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
		{"\xfe\xff", "UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
		{"\xef\xbb\xbf", "UTF-8", unicode.UTF8},
	}
}

// formats maps the first bytes of files that are often sent by mistake to their format.
func formats() map[string]string {
	return map[string]string{
		"PK\x03\x04":       "an Excel workbook or another ZIP archive",
		"\xd0\xcf\x11\xe0": "an old Excel workbook",
		"\x1f\x8b":         "compressed with gzip",
		"%PDF":             "a PDF document",
	}
}

// Decode converts a file to UTF-8. A byte order mark in the file overrides charset. Decode
// replaces bytes that are invalid in another character set with U+0000, and passes UTF-8 on
// unchanged; Reader rejects lines with U+0000 or invalid UTF-8. The error is a fault, or an
// error of file.
func Decode(file io.Reader, charset encoding.Encoding) (io.Reader, error) {
	buffered := bufio.NewReader(file)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for begin, what := range formats() {
		if bytes.HasPrefix(head, []byte(begin)) {
			return nil, malformed("this is no CSV file: it is %s", what)
		}
	}
	for _, m := range marks() {
		if !bytes.HasPrefix(head, []byte(m.bytes)) {
			continue
		}
		if m.charset == nil {
			return nil, fault.New(fault.Malformed, "charset_unsupported", "the file begins with the byte order mark of %s, which is not supported: save it as UTF-8", m.name)
		}
		if _, err := buffered.Discard(len(m.bytes)); err != nil {
			return nil, err
		}
		charset = m.charset
		break
	}
	if charset == nil || charset == unicode.UTF8 {
		return buffered, nil
	}
	return transform.NewReader(buffered, transform.Chain(charset.NewDecoder(), runes.Map(unreadable))), nil
}

// unreadable replaces the character that decoders return for invalid bytes with U+0000.
func unreadable(r rune) rune {
	if r == utf8.RuneError {
		return 0
	}
	return r
}

func malformed(format string, args ...any) error {
	return fault.New(fault.Malformed, "csv_malformed", format, args...)
}
