package csvfile_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"

	"quadrille/internal/csvfile"
	"quadrille/pkg/fault"
)

// decoded returns a file as it is read where its sender declares charset.
func decoded(t *testing.T, file, charset string) (io.Reader, error) {
	t.Helper()
	set, err := csvfile.Charset(charset)
	if err != nil {
		t.Fatal(err)
	}
	return csvfile.Decode(strings.NewReader(file), set)
}

func encode(t *testing.T, s, charset string) string {
	t.Helper()
	set, err := htmlindex.Get(charset)
	if err != nil {
		t.Fatal(err)
	}
	out, err := set.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func utf16(t *testing.T, s string, order unicode.Endianness) string {
	t.Helper()
	out, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCharacterSets(t *testing.T) {
	const (
		file = "\"external_id\";sku;quantity\r\nlieferung-märz-1;LAT1;5\r\n"
		want = "[2: lieferung-märz-1|LAT1|5]"
	)
	for name, tc := range map[string]struct{ file, charset string }{
		"nothing declared":            {file, ""},
		"UTF-8":                       {file, "UTF-8"},
		"UTF-8 with a mark":           {"\ufeff" + file, ""},
		"a mark beats a declaration":  {"\ufeff" + file, "windows-1252"},
		"ISO-8859-1":                  {encode(t, file, "latin1"), "ISO-8859-1"},
		"latin-1, as people say":      {encode(t, file, "latin1"), "Latin-1"},
		"windows-1252":                {encode(t, file, "windows-1252"), "windows-1252"},
		"cp-1252":                     {encode(t, file, "windows-1252"), "cp-1252"},
		"ISO-8859-15":                 {encode(t, file, "iso-8859-15"), "iso-8859-15"},
		"macintosh":                   {encode(t, file, "macintosh"), "macintosh"},
		"UTF-16LE with a mark":        {utf16(t, file, unicode.LittleEndian), ""},
		"UTF-16BE with a mark":        {utf16(t, file, unicode.BigEndian), ""},
		"UTF-16BE, another declared":  {utf16(t, file, unicode.BigEndian), "utf-16le"},
		"UTF-16 declared, with mark":  {utf16(t, file, unicode.LittleEndian), "utf-16"},
		"UTF-16BE declared, no mark":  {utf16(t, file, unicode.BigEndian)[2:], "utf-16be"},
		"UTF-16 declared, no mark":    {utf16(t, file, unicode.LittleEndian)[2:], "utf-16"},
		"UTF-16LE with CR ends":       {utf16(t, strings.ReplaceAll(file, "\r\n", "\r"), unicode.LittleEndian), ""},
		"UTF-16LE with a declaration": {utf16(t, file, unicode.LittleEndian), "utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := decoded(t, tc.file, tc.charset)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(read(t, r, csvfile.Config{Columns: columns()})); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	t.Run("bytes may look like separators", func(t *testing.T) {
		const line = "ソース表,LAT1,5" // 0x5c and others as second bytes
		r, err := decoded(t, encode(t, "external_id,sku,quantity\n"+line+"\n", "shift_jis"), "shift_jis")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(read(t, r, csvfile.Config{Columns: columns()})); got != "[2: ソース表|LAT1|5]" {
			t.Error(got)
		}
	})
}

// Bytes that the character set does not have are not replaced in silence.
func TestRejectsBytesOutsideTheCharacterSet(t *testing.T) {
	lone := utf16(t, "external_id,sku,quantity\na", unicode.LittleEndian) + "\x00\xd8" + utf16(t, ",B,1\nc,D,2\n", unicode.LittleEndian)[2:]
	for name, tc := range map[string]struct{ file, charset string }{
		"half of a UTF-16 pair": {lone, ""},
		"Shift_JIS":             {"external_id,sku,quantity\na\x81\x00,B,1\nc,D,2\n", "shift_jis"},
		"GBK":                   {"external_id,sku,quantity\na\xff,B,1\nc,D,2\n", "gbk"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := decoded(t, tc.file, tc.charset)
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, r, csvfile.Config{Columns: columns()})
			if len(got) != 2 || !strings.HasPrefix(got[0], "2: column \"external_id\" holds") || got[1] != "3: c|D|2" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRefusesFilesThatAreNotCSV(t *testing.T) {
	for name, tc := range map[string]struct{ file, code, says string }{
		"xlsx":     {"PK\x03\x04…", "csv_malformed", "Excel workbook"},
		"xls":      {"\xd0\xcf\x11\xe0…", "csv_malformed", "Excel workbook"},
		"gzip":     {"\x1f\x8b\x08…", "csv_malformed", "gzip"},
		"PDF":      {"%PDF-1.7", "csv_malformed", "PDF"},
		"UTF-32LE": {"\xff\xfe\x00\x00e\x00\x00\x00", "charset_unsupported", "UTF-32"},
		"UTF-32BE": {"\x00\x00\xfe\xff\x00\x00\x00e", "charset_unsupported", "UTF-32"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decoded(t, tc.file, "")
			var f *fault.Fault
			if !errors.As(err, &f) || f.Kind != fault.Malformed || f.Code != tc.code || !strings.Contains(f.Detail, tc.says) {
				t.Errorf("got %v, want %s with %q", err, tc.code, tc.says)
			}
		})
	}
}

func TestRefusesUnknownCharacterSets(t *testing.T) {
	for _, name := range []string{"utf-7", "utf-32", "klingon", "iso-2022-kr", "cp437", strings.Repeat("x", 1000)} {
		if _, err := csvfile.Charset(name); err == nil || !strings.Contains(err.Error(), name[:min(len(name), 40)]) {
			t.Errorf("%.40s: got %v", name, err)
		}
	}
}
