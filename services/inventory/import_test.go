package inventory

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"quadrille/internal/csvfile"
	"quadrille/pkg/fault"
	"quadrille/pkg/sku"
)

func TestChecksTheHeaderOfAnImport(t *testing.T) {
	for name, tc := range map[string]struct{ file, code string }{
		"in any order, with others": {"note,quantity,SKU,external_id\n", ""},
		"with a byte order mark":    {"\ufeffexternal_id,sku,quantity\n", ""},
		"empty":                     {"", "csv_empty"},
		"a column is missing":       {"external_id,sku\n", "csv_column_missing"},
		"not CSV":                   {"{\"external_id\":\"a\"}\n", "csv_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := csvfile.Open(strings.NewReader(tc.file), importFile())
			var f *fault.Fault
			if errors.As(err, &f); tc.code == "" && err != nil || tc.code != "" && (f == nil || f.Code != tc.code) {
				t.Errorf("got %v, want code %q", err, tc.code)
			}
		})
	}
}

func TestBrokenLinesDoNotStopAnImport(t *testing.T) {
	long := strings.Repeat("ä", MaxExternalID)
	file, err := csvfile.Open(strings.NewReader("external_id,sku,quantity\n"+
		"r1,a,1\n"+
		"r2,a/b,1\n"+
		"r3,a\n"+
		"r4,a,many\n"+
		"r5,a,\"1\"x\n"+
		"\n"+
		"r6,a,0\n"+
		"r7,b,2\n"+
		long+",b,1000000000\n"+
		long+"x,b,2\n"+
		"r8,b,1000000001\n"+
		"r9,b,99999999999999999999\n"+
		"r10,\u0131,1\n"+
		",b,1\n"), importFile())
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]string{
		2: "", 3: "SKU code", 4: "\"quantity\" is missing", 5: "not a whole number", 6: "quotation mark", 8: "at least 1 piece", 9: "",
		10: "", 11: "longer than 200 characters", 12: "at most 1000000000 pieces", 13: "out of range", 14: "SKU code", 15: "needs an external_id",
	}
	for {
		batch, err := nextBatch(file, 1)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line, reason := batch[0].line, batch[0].reason
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

// What a line of a file may hold is what a request may hold.
func TestLimitsMatchTheDocument(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		t.Fatal(err)
	}
	receipt := document.Components.Schemas["NewReceipt"].Value.Properties
	quantity, id, code := receipt["quantity"].Value, receipt["external_id"].Value, receipt["sku"].Value
	if *quantity.Max != MaxQuantity || *quantity.Min != 1 || *id.MaxLength != MaxExternalID || id.MinLength != 1 {
		t.Errorf("the document has %v to %v pieces and external IDs of %d to %d characters", *quantity.Min, *quantity.Max, id.MinLength, *id.MaxLength)
	}
	for _, s := range []string{"a", "A.b_c-9", "", "a b", "ı", "ſ", "ß", "K", "a\n", strings.Repeat("a", 64), strings.Repeat("a", 65), "a\x00"} {
		_, err := sku.Normalize(s)
		if byDocument := code.VisitJSON(s) == nil; byDocument != (err == nil) {
			t.Errorf("SKU %q: %v, by the document it is %v", s, err, byDocument)
		}
	}
	for _, n := range []int64{-1, 0, 1, MaxQuantity, MaxQuantity + 1, MaxOnHand} {
		m := Movement{Kind: Receipt, ExternalID: "a", SKU: "A", Quantity: n}
		if byDocument := quantity.VisitJSON(float64(n)) == nil; byDocument != (m.check() == nil) {
			t.Errorf("quantity %d: %v, by the document it is %v", n, m.check(), byDocument)
		}
	}
}

func badCode(code string) bool {
	upper, err := sku.Normalize(code)
	return err != nil || upper != code
}

func FuzzRecords(f *testing.F) {
	f.Add("external_id,sku,quantity\na,B,1\n\"x\ny\",b,2\n,,\n")
	f.Fuzz(func(t *testing.T, file string) {
		recs, err := csvfile.Open(strings.NewReader(file), importFile())
		if err != nil {
			return
		}
		for n := 0; n <= len(file); n++ {
			r, err := recs.Next()
			if err != nil {
				return
			}
			m, reason := receiptOf(r)
			if reason == nil && (m.Quantity < 1 || badCode(m.SKU) || r.Line < 2) {
				t.Fatalf("took %+v from line %d", m, r.Line)
			}
		}
		t.Fatal("more records than bytes")
	})
}
