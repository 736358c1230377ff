package csvfile_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quadrille/internal/csvfile"
)

// counting counts the bytes that are read through it.
type counting struct {
	io.Reader

	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// Whatever a file holds, reading ends, lines rise and lie within the file, and
// reading on from any record's end gives the same as reading through.
func FuzzReader(f *testing.F) {
	for _, file := range []string{
		"external_id,sku,quantity\na,B,1\n\"x\ny\",b,2\n,,\n", "\ufeffexternal_id;sku;quantity\r\"a\";\"b\"\"\";1\r", "sep=\t\r\nexternal_id\tsku\tquantity\r\n\"",
		"external_id,sku,quantity\n\"bad,U1,1\nr,U1,1\n\"\"\"x\",U,1\n\"q\"z,\r\r\n",
	} {
		f.Add([]byte(file), uint8(20))
	}
	f.Fuzz(func(t *testing.T, file []byte, bound uint8) {
		cfg := csvfile.Config{Columns: columns(), MaxRecord: 24 + int(bound)}
		r, err := csvfile.Open(strings.NewReader(string(file)), cfg)
		if err != nil {
			return
		}
		last := lineEnds(string(file)) + 1
		var all []csvfile.Record
		for line := int64(0); ; {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || rec.Line <= line || rec.Line > last || rec.End.Offset > int64(len(file)) {
				t.Fatalf("after line %d of %d: %+v, %v", line, last, rec, err)
			}
			if at := lineEnds(string(file[:rec.End.Offset])) + 1; at != rec.End.Line {
				t.Fatalf("line %d begins at %d, the reader says %d", at, rec.End.Offset, rec.End.Line)
			}
			line = rec.Line
			all = append(all, rec)
		}
		if len(all) == 0 {
			return
		}
		half := len(all) / 2
		r.Resume(strings.NewReader(string(file[all[half].End.Offset:])), all[half].End)
		for _, want := range all[half+1:] {
			if got, err := r.Next(); err != nil || show(got) != show(want) || got.End != want.End {
				t.Fatalf("got %+v, %v, want %+v", got, err, want)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("resumed reading does not end: %v", err)
		}
	})
}

// lineEnds counts CR, LF and CR LF.
func lineEnds(s string) int64 {
	return int64(strings.Count(s, "\r") + strings.Count(s, "\n") - strings.Count(s, "\r\n"))
}

// What encoding/csv reads is read alike.
func TestReadsWellFormedFilesLikeTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringOfN(rapid.SampledFrom([]rune("ab,;\"\n\t ä")), 0, 5, -1)
		rows := rapid.SliceOfN(rapid.SliceOfN(field, 3, 3), 0, 8).Draw(t, "rows")
		var file strings.Builder
		w := csv.NewWriter(&file)
		w.Comma = rapid.SampledFrom([]rune(",;\t|")).Draw(t, "separator")
		w.UseCRLF = rapid.Bool().Draw(t, "CR LF")
		if err := w.WriteAll(append([][]string{columns()}, rows...)); err != nil {
			t.Fatal(err)
		}
		std := csv.NewReader(strings.NewReader(file.String()))
		std.Comma = w.Comma
		want, err := std.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		r, err := csvfile.Open(strings.NewReader(file.String()), csvfile.Config{Columns: columns()})
		if err != nil {
			t.Fatal(err)
		}
		for _, fields := range want[1:] {
			rec, err := r.Next()
			if err != nil || rec.Wrong != nil {
				t.Fatalf("%q: %v, %v", fields, rec.Wrong, err)
			}
			for i, column := range columns() {
				if got := strings.ReplaceAll(rec.Field(column), "\r\n", "\n"); got != strings.TrimSpace(fields[i]) {
					t.Fatalf("got %q, want %q", got, fields[i])
				}
			}
		}
		if rec, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("got %+v more, %v", rec, err)
		}
	})
}

// Lines with quotation marks anywhere: no line is lost without being said.
func TestReadsOrReportsEveryLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := rapid.SampledFrom([]string{"\"bad,U1,1", "a,\"b,1", "\"a\"b,U,1", "a\"b,U,1", "a,b,\"", "\"\"\"", ",\"\"x"})
		lines := rapid.IntRange(1, 60).Draw(t, "lines")
		at := rapid.IntRange(0, lines-1).Draw(t, "at")
		var file strings.Builder
		file.WriteString("external_id,sku,quantity\n")
		for i := range lines {
			if i == at {
				file.WriteString(bad.Draw(t, "bad") + "\n")
			} else {
				fmt.Fprintf(&file, "r%d,U1,1\n", i)
			}
		}
		cfg := csvfile.Config{Columns: columns(), MaxRecord: 100}
		for i, got := range read(t, strings.NewReader(file.String()), cfg) {
			if want := fmt.Sprintf("%d: r%d|U1|1", i+2, i); (got == want) == (i == at) {
				t.Fatalf("record %d is %q", i, got)
			}
		}
	})
}

// endless is a file of the same piece again and again.
type endless struct {
	piece string
	left  int
	at    int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) && e.left > 0 {
		k := copy(p[n:min(len(p), n+e.left)], e.piece[e.at:])
		n, e.left, e.at = n+k, e.left-k, (e.at+k)%len(e.piece)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Memory does not grow with the file, whatever is wrong with it, nor does the work
// for a byte.
func TestMemoryIsFlat(t *testing.T) {
	const size, bound = 16 << 20, 24 << 20
	for name, piece := range map[string]string{
		"receipts":             "r4711,SKU1,1\n",
		"one line":             "x",
		"a quote in each line": "\"bad,U1,1\n",
		"two in each":          "\"a\",\"b\n",
		"quotes":               "\"",
		"fields":               ",",
		"CR":                   "\r",
		"an open quote":        "\"" + strings.Repeat("x\n", 40<<10),
	} {
		t.Run(name, func(t *testing.T) {
			src := &counting{Reader: io.MultiReader(strings.NewReader("external_id,sku,quantity\n"), &endless{piece: piece, left: size})}
			r, err := csvfile.Open(src, csvfile.Config{Columns: columns()})
			if err != nil {
				t.Fatal(err)
			}
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			for n := 0; ; n++ {
				if _, err := r.Next(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if n%100_000 == 0 {
					runtime.ReadMemStats(&now)
					if grown := int64(now.HeapInuse) - int64(before.HeapInuse); grown > bound {
						t.Fatalf("%d bytes more are in use after %d records", grown, n)
					}
				}
			}
			if want := size + len("external_id,sku,quantity\n"); src.n != want || r.Position().Offset != int64(want) {
				t.Errorf("read %d of %d bytes, position %+v", src.n, want, r.Position())
			}
		})
	}
}
