package csvfile_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"quadrille/internal/csvfile"
	"quadrille/pkg/fault"
)

func columns() []string { return []string{"external_id", "sku", "quantity"} }

// failing is a test, or a check of rapid's.
type failing interface {
	Helper()
	Fatal(args ...any)
}

// read returns each record of a file as "line: field|field|field" or "line: reason".
func read(t failing, file io.Reader, cfg csvfile.Config) (lines []string) {
	t.Helper()
	r, err := csvfile.Open(file, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, show(rec))
	}
}

func show(rec csvfile.Record) string {
	if rec.Wrong != nil {
		return fmt.Sprintf("%d: %v", rec.Line, rec.Wrong)
	}
	return fmt.Sprintf("%d: %s|%s|%s", rec.Line, rec.Field("external_id"), rec.Field("sku"), rec.Field("quantity"))
}

// Whatever separates fields and ends lines, the records and the lines they begin in
// are the same.
func TestSeparatorsAndLineEnds(t *testing.T) {
	const plain = "external_id,sku,quantity\na,B,1\n\nc,D,2\ne,F,3"
	want := []string{"2: a|B|1", "4: c|D|2", "5: e|F|3"}
	for name, file := range map[string]string{
		"LF":                         plain,
		"LF at the end, too":         plain + "\n",
		"CR LF":                      strings.ReplaceAll(plain, "\n", "\r\n"),
		"CR":                         strings.ReplaceAll(plain, "\n", "\r"),
		"mixed":                      "external_id,sku,quantity\r\na,B,1\n\rc,D,2\r\ne,F,3\r",
		"semicolons":                 strings.ReplaceAll(plain, ",", ";"),
		"tabs":                       strings.ReplaceAll(plain, ",", "\t"),
		"vertical bars":              strings.ReplaceAll(plain, ",", "|"),
		"BOM":                        "\ufeff" + plain,
		"BOM and a quoted header":    "\ufeff\"external_id\",\"sku\",\"quantity\"\na,B,1\n\nc,D,2\ne,F,3",
		"white space":                "external_id , SKU, Quantity\n a ,B,\t1\n\nc,D,2\ne,F,3 ",
		"separators inside of names": "\"external_id\";sku;quantity;\"a,b,c,d\"\na;B;1;,,,\n\nc;D;2;\ne;F;3",
		"empty fields at the end":    "external_id,sku,quantity,,\na,B,1,,\n\nc,D,2,,,,\ne,F,3",
	} {
		for kind, wrap := range map[string]func(io.Reader) io.Reader{"": nil, " byte by byte": iotest.OneByteReader, " in halves": iotest.HalfReader} {
			t.Run(name+kind, func(t *testing.T) {
				var r io.Reader = strings.NewReader(file)
				if wrap != nil {
					r = wrap(r)
				}
				if got := read(t, r, csvfile.Config{Columns: columns()}); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

// A declared separator counts as a line, and decides.
func TestUsesTheDeclaredSeparator(t *testing.T) {
	for name, file := range map[string]string{
		"semicolon": "sep=;\nexternal_id;sku;quantity\na;B;1\n",
		"CR LF":     "sep=,\r\nexternal_id,sku,quantity\r\na,B,1\r\n",
		"CR":        "SEP=\t\rexternal_id\tsku\tquantity\ra\tB\t1\r",
		"BOM":       "\ufeffsep=|\nexternal_id|sku|quantity\na|B|1\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, strings.NewReader(file), csvfile.Config{Columns: columns()}); fmt.Sprint(got) != "[3: a|B|1]" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRefusesHeaders(t *testing.T) {
	for name, tc := range map[string]struct{ file, code, says string }{
		"nothing":                  {"", "csv_empty", "external_id, sku, quantity"},
		"blank lines":              {"\n\r\n\r", "csv_empty", ""},
		"a BOM alone":              {"\ufeff", "csv_empty", ""},
		"a column is missing":      {"external_id;sku;amount\n", "csv_column_missing", `Found: "external_id", "sku", "amount", separated by semicolons`},
		"a column is named twice":  {"external_id,sku,quantity,SKU\n", "csv_column_twice", `"sku" is named twice, as column 2 and 4`},
		"another is named twice":   {"external_id,sku,quantity,note,Note \n", "csv_column_twice", `"note"`},
		"spaces":                   {"external_id sku quantity\n", "csv_column_missing", `Found: "external_id sku quantity"`},
		"another sep":              {"sep=:\nexternal_id:sku:quantity\n", "csv_separator_unsupported", `":"`},
		"a sep of two":             {"sep=;;\nexternal_id;;sku;;quantity\n", "csv_separator_unsupported", `";;"`},
		"no sep":                   {"sep=\nexternal_id,sku,quantity\n", "csv_separator_unsupported", `""`},
		"a sep that is not used":   {"sep=;\nexternal_id,sku,quantity\n", "csv_column_missing", "separated by semicolons"},
		"JSON":                     {"{\"external_id\":\"a\"}\n", "csv_malformed", "line 1"},
		"binary":                   {"\x00\x01\x02", "csv_malformed", "U+0000"},
		"UTF-16 without a mark":    {"e\x00x\x00t\x00\n\x00", "csv_malformed", "charset=utf-16"},
		"Latin-1":                  {"external_id,sku,quantity,St\xfcck\n", "csv_malformed", "charset=windows-1252"},
		"a header that is endless": {strings.Repeat("x", 1<<20), "csv_malformed", "more than 65536 bytes"},
		"a quote that is not":      {"\"external_id,sku,quantity\na,B,1\n", "csv_malformed", "quotation mark"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := csvfile.Open(strings.NewReader(tc.file), csvfile.Config{Columns: columns()})
			var f *fault.Fault
			if !errors.As(err, &f) || f.Kind != fault.Malformed || f.Code != tc.code || !strings.Contains(f.Detail, tc.says) {
				t.Errorf("got %v, want %s with %q", err, tc.code, tc.says)
			}
		})
	}
}

func TestReportsIgnoredColumns(t *testing.T) {
	r, err := csvfile.Open(strings.NewReader("Note,external_id,,sku,quantity,\n"), csvfile.Config{Columns: columns()})
	if err != nil || fmt.Sprint(r.Ignored()) != "[note]" {
		t.Errorf("got %q, %v", r.Ignored(), err)
	}
}

// A line that cannot be read costs itself. What is around it is read, with the
// right numbers.
func TestReportsUnreadableLines(t *testing.T) {
	const quote = "a quotation mark is missing, or one too many"
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"a quote that is never closed": {"a,B,1\n\"bad,B,1\nc,D,2\ne,F,3\n", []string{"2: a|B|1",
			"3: " + quote + ". The quoted field that begins in this line does not end before the end of the file; reading went on at line 4", "4: c|D|2", "5: e|F|3"}},
		"and other quotes behind it": {"\"bad,B,1\nc,D,2\ne,\"F\",3\n", []string{"2: " + quote, "3: c|D|2", "4: e|F|3"}},
		"the last line":              {"a,B,1\nbad,\"B,1", []string{"2: a|B|1", "3: " + quote}},
		"CR ends and a quote": {"a,B,1\r\"bad,B,1\rc,D,2\r", []string{"2: a|B|1",
			"3: " + quote + ". The quoted field that begins in this line does not end before the end of the file; reading went on at line 4", "4: c|D|2"}},
		"a bare quote":               {"a\"b,B,1\nc,D,2\n", []string{"2: " + quote, "3: c|D|2"}},
		"text behind a quoted field": {"a,\"B\"x,1\nc,D,2\n", []string{"2: " + quote, "3: c|D|2"}},
		"lines inside of a field":    {"\"a\nb\r\nc\rd\",B,1\ne,F,3\n", []string{"2: a\nb\r\nc\rd|B|1", "6: e|F|3"}},
		"quotes inside of a field":   {"\"a\"\"b\",\"\",\"\"\"\"\n", []string{"2: a\"b||\""}},
		"fields are missing":         {"a\nb,B\n", []string{"2: the line has 1 fields, column \"sku\" is missing", "3: the line has 2 fields, column \"quantity\" is missing"}},
		"too many fields":            {"a,b,B,1\n", []string{"2: the line has 4 fields, the header names 3 columns"}},
		"NUL":                        {"a\x00,B,1\nc,D,2\n", []string{"2: column \"external_id\" holds U+0000, or bytes that are not valid in the file's character set, which is UTF-8 unless the Content-Type or a byte order mark says otherwise", "3: c|D|2"}},
		"Latin-1":                    {"a,m\xe4rz,1\nc,D,2\n", []string{"2: column \"sku\" holds U+0000, or bytes that are not valid in the file's character set, which is UTF-8 unless the Content-Type or a byte order mark says otherwise", "3: c|D|2"}},
		"U+FFFD itself":              {"\ufffd,B,1\n", []string{"2: \ufffd|B|1"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, strings.NewReader("external_id,sku,quantity\n"+tc.body), csvfile.Config{Columns: columns()})
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// A record has at most so many bytes, wherever its fields and lines end.
func TestLimitsRecords(t *testing.T) {
	cfg := csvfile.Config{Columns: columns(), MaxRecord: 40}
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"as long as allowed":       {strings.Repeat("a", 36) + ",B,1\nc,D,2\n", []string{"2: " + strings.Repeat("a", 36) + "|B|1", "3: c|D|2"}},
		"one longer":               {strings.Repeat("a", 37) + ",B,1\r\nc,D,2\n", []string{"2: the line is too long: it has more than 40 bytes", "3: c|D|2"}},
		"many times as long":       {strings.Repeat("\"a,", 900) + "\nc,D,2\n", []string{"2: the line is too long: it has more than 40 bytes", "3: c|D|2"}},
		"without an end":           {"c,D,2\n" + strings.Repeat("a", 900), []string{"2: c|D|2", "3: the line is too long: it has more than 40 bytes"}},
		"lines in a quoted field":  {"\"a\n" + strings.Repeat("b,B,1\n", 3) + strings.Repeat("a", 30) + "\",B,1\n", []string{"2: a quotation mark is missing, or one too many. The quoted field that begins in this line does not end within 40 bytes; reading went on at line 3", "3: b|B|1", "4: b|B|1", "5: b|B|1", "6: a quotation mark is missing, or one too many"}},
		"fields behind such a one": {"\"a\nb\"," + strings.Repeat("c", 40) + "\nd,D,2\n", []string{"2: the line is too long: a record of more than 40 bytes begins here", "3: the line is too long: it has more than 40 bytes", "4: d|D|2"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, strings.NewReader("external_id,sku,quantity\n"+tc.body), cfg)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// What the file's own reader fails with is told, and nothing is taken for the end of
// the file.
func TestReturnsReadErrors(t *testing.T) {
	away := errors.New("away")
	r, err := csvfile.Open(io.MultiReader(strings.NewReader("external_id,sku,quantity\na,B,1\nc,D,"), iotest.ErrReader(away)), csvfile.Config{Columns: columns()})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if rec, err := r.Next(); err == nil && show(rec) != "2: a|B|1" || err != nil && !errors.Is(err, away) {
			t.Fatalf("got %v, %v", rec, err)
		}
	}
}
