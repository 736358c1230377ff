package inventory

import (
	"errors"
	"io"
	"strings"
	"testing"

	"quadrille/pkg/fault"
	"quadrille/pkg/sku"
)

func TestHeaderOfAnImport(t *testing.T) {
	for name, tc := range map[string]struct{ file, code string }{
		"in any order, with others": {"note,quantity,SKU,external_id\n", ""},
		"with a byte order mark":    {"\ufeffexternal_id,sku,quantity\n", ""},
		"empty":                     {"", "csv_empty"},
		"a column is missing":       {"external_id,sku\n", "csv_column_missing"},
		"not CSV":                   {"{\"external_id\":\"a\"}\n", "csv_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openRecords(strings.NewReader(tc.file))
			var f *fault.Fault
			if errors.As(err, &f); tc.code == "" && err != nil || tc.code != "" && (f == nil || f.Code != tc.code) {
				t.Errorf("got %v, want code %q", err, tc.code)
			}
		})
	}
}

func TestBrokenLinesDoNotStopAnImport(t *testing.T) {
	recs, err := openRecords(strings.NewReader("external_id,sku,quantity\n" +
		"r1,a,1\n" +
		"r2,a/b,1\n" +
		"r3,a\n" +
		"r4,a,many\n" +
		"r5,a,\"1\"x\n" +
		"\n" +
		"r6,a,0\n" +
		"r7,b,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{2: "", 3: "SKU code", 4: "\"quantity\" is missing", 5: "not a whole number", 6: "\"", 8: "1 piece or more", 9: ""}
	for {
		_, line, reason, err := recs.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, known := want[line]
		if !known || (text == "") != (reason == nil) || reason != nil && !strings.Contains(reason.Error(), text) {
			t.Errorf("line %d: got %v, want %q", line, reason, text)
		}
		delete(want, line)
	}
	if len(want) > 0 {
		t.Errorf("lines not reported: %v", want)
	}
}

func badCode(code string) bool {
	upper, err := sku.Normalize(code)
	return err != nil || upper != code
}

func FuzzRecords(f *testing.F) {
	f.Add("external_id,sku,quantity\na,B,1\n\"x\ny\",b,2\n,,\n")
	f.Fuzz(func(t *testing.T, file string) {
		recs, err := openRecords(strings.NewReader(file))
		if err != nil {
			return
		}
		for n := 0; n <= len(file); n++ {
			m, line, reason, err := recs.next()
			if err != nil {
				return
			}
			if reason == nil && (m.Quantity < 1 || badCode(m.SKU) || line < 2) {
				t.Fatalf("took %+v from line %d", m, line)
			}
		}
		t.Fatal("more records than bytes")
	})
}
