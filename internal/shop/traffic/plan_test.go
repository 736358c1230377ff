package traffic

import (
	"fmt"
	"strings"
	"testing"
)

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

func TestPlan(t *testing.T) {
	plan, err := Read(strings.NewReader(header +
		"536365,15056bl,,6,d,0,17850.0,UK\n" + // no title or price yet; not sold
		"536365,15056BL,UMBRELLA,6,d,5.95,17850.0,UK\n" +
		"536365,15056bl,BROLLY,2,d,6.00,17850.0,UK\n" + // the same SKU again
		"536365,POST,POSTAGE,1,d,18,17850.0,UK\n" +
		"536366,22423,,-3,d,0,,UK\n" + // a write-off
		"536367,22423,CAKE STAND,1,d,12.755,,UK\n" +
		"C536368,22423,CAKE STAND,-2,d,12.75,,UK\n" +
		"C536368,D,Discount,-1,d,27.50,,UK\n" +
		"C536368,15056BL,UMBRELLA,-1,d,5.95,,UK\n" +
		"536369,99999ZZZ,,5,d,0,,UK\n" +
		"536370,123456,too long,5,d,1,,UK\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v\n%v\n%v\n%v\n%v %d", plan.SKUs, plan.Products, plan.Orders, plan.Returns, plan.Skipped, plan.Rounded)
	want := `[15056BL 22423 99999ZZZ]
[{15056BL UMBRELLA 595} {22423 CAKE STAND 1276}]
[{536365 17850.0 [{15056BL 8}]} {536367 guest [{22423 1}]}]
[{C536368/1 {22423 2}} {C536368/3 {15056BL 1}}]
map[a charge, not goods:3 no price:2 quantity not above 0, no return:1] 1`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPence(t *testing.T) {
	for price, want := range map[string]int64{"2.55": 255, "0.001": 0, "0.005": 1, "12.755": 1276, "-11062.06": -1106206, "1e2": 10000, "7": 700} {
		if got, _, err := pence(price); err != nil || got != want {
			t.Errorf("pence(%q): got %d, %v; want %d", price, got, err, want)
		}
	}
	for _, bad := range []string{"", "x", "1,5", "NaN", strings.Repeat("9", 40)} {
		if got, _, err := pence(bad); err == nil {
			t.Errorf("pence(%q): got %d, want an error", bad, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(header + "536365,15056bl,x,6,d,0.5,17850.0,UK\n")
	f.Fuzz(func(t *testing.T, file string) {
		plan, err := Read(strings.NewReader(file))
		if err != nil {
			return
		}
		for _, o := range plan.Orders {
			for _, l := range o.Lines {
				if !goods.MatchString(l.SKU) {
					t.Errorf("an order has a line that is not a product: %+v", l)
				}
			}
		}
	})
}
