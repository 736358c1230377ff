package traffic

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// columns are the required columns of a file, in any order.
var columns = []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}

// goods matches the stock codes of products; other codes are charges.
var goods = regexp.MustCompile(`^[0-9]{5}[A-Z]{0,3}$`)

// Plan holds the requests made from a file.
type Plan struct {
	SKUs     []string  // every SKU, in file order
	Products []Product // SKUs that have a price
	Orders   []Order
	Returns  []Return
	Skipped  map[string]int // by reason
	Lines    int            // records in the file
	Rounded  int            // prices with more than two decimals
}

// Product is the offer of a SKU.
type Product struct {
	SKU, Title string
	Pence      int64
}

// Order is one invoice.
type Order struct {
	Invoice, Customer string
	Lines             []Line
}

// Line is a quantity of one SKU.
type Line struct {
	SKU      string
	Quantity int64
}

// Return is a returned quantity of a SKU.
type Return struct {
	ExternalID string // InvoiceNo/n, n being the line's number within its invoice
	Line
}

// Read makes a plan of a file. It stops at the first error, which names line and column.
func Read(file io.Reader) (*Plan, error) {
	reader := csv.NewReader(file)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: read header: %w", err)
	}
	at := map[string]int{}
	for i, name := range header {
		at[strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))] = i
	}
	for _, name := range columns {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("line 1: column %s is missing; the columns are %s", name, strings.Join(columns, ", "))
		}
	}
	b := newBuilder()
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return b.plan(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read file: %w", err) // csv's errors name the line
		}
		line, _ := reader.FieldPos(0)
		r, err := parse(func(name string) string { return strings.TrimSpace(fields[at[name]]) })
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		b.add(r)
	}
}

// record is one line of the file.
type record struct {
	invoice, sku, description, customer string
	quantity                            int64
	pence                               int64
	rounded                             bool
}

func parse(field func(name string) string) (r record, err error) {
	r = record{
		invoice: strings.Clone(field("InvoiceNo")), sku: strings.ToUpper(field("StockCode")),
		description: strings.Clone(field("Description")), customer: strings.Clone(field("CustomerID")),
	}
	r.sku = strings.Clone(r.sku)
	if r.quantity, err = strconv.ParseInt(field("Quantity"), 10, 64); err != nil {
		return r, fmt.Errorf("column Quantity: %.40q is not a whole number", field("Quantity"))
	}
	if r.pence, r.rounded, err = pence(field("UnitPrice")); err != nil {
		return r, fmt.Errorf("column UnitPrice: %.40q is not a price", field("UnitPrice"))
	}
	if r.invoice == "" {
		return r, errors.New("column InvoiceNo is empty")
	}
	if r.customer == "" {
		r.customer = "guest"
	}
	return r, nil
}

// pence parses a price in pounds. It rounds to whole pence, half a penny up.
func pence(price string) (n int64, rounded bool, err error) {
	exact, ok := new(big.Rat).SetString(price)
	if !ok || len(price) > 30 {
		return 0, false, strconv.ErrSyntax
	}
	hundred := exact.Mul(exact, big.NewRat(100, 1))
	rounded = !hundred.IsInt()
	hundred.Add(hundred, big.NewRat(1, 2))
	floor := new(big.Int).Div(hundred.Num(), hundred.Denom())
	if !floor.IsInt64() {
		return 0, false, strconv.ErrRange
	}
	return floor.Int64(), rounded, nil
}

// builder collects records into a plan.
type builder struct {
	p        Plan
	products map[string]*Product
	orders   map[string]*Order
	order    []string // invoices, in file order
	lineOf   map[string]int
}

func newBuilder() *builder {
	return &builder{
		p: Plan{Skipped: map[string]int{}}, products: map[string]*Product{}, orders: map[string]*Order{}, lineOf: map[string]int{},
	}
}

func (b *builder) add(r record) {
	b.p.Lines++
	b.lineOf[r.invoice]++
	if !goods.MatchString(r.sku) {
		b.p.Skipped["a charge, not goods"]++
		return
	}
	b.describe(r)
	switch {
	case strings.HasPrefix(r.invoice, "C"):
		if r.quantity == 0 {
			b.p.Skipped["a return of nothing"]++
			return
		}
		id := r.invoice + "/" + strconv.Itoa(b.lineOf[r.invoice])
		b.p.Returns = append(b.p.Returns, Return{ExternalID: id, Line: Line{SKU: r.sku, Quantity: max(r.quantity, -r.quantity)}})
	case r.quantity <= 0:
		b.p.Skipped["quantity not above 0, no return"]++
	case r.pence <= 0:
		b.p.Skipped["no price"]++
	default:
		b.sell(r)
	}
}

// describe sets a product's title and price to the first of each in the file.
func (b *builder) describe(r record) {
	p := b.products[r.sku]
	if p == nil {
		p = &Product{SKU: r.sku}
		b.products[r.sku] = p
		b.p.SKUs = append(b.p.SKUs, r.sku)
	}
	if p.Title == "" {
		p.Title = r.description
	}
	if p.Pence == 0 && r.pence > 0 {
		p.Pence = r.pence
		if r.rounded {
			b.p.Rounded++
		}
	}
}

func (b *builder) sell(r record) {
	o := b.orders[r.invoice]
	if o == nil {
		o = &Order{Invoice: r.invoice, Customer: r.customer}
		b.orders[r.invoice] = o
		b.order = append(b.order, r.invoice)
	}
	for i := range o.Lines {
		if o.Lines[i].SKU == r.sku {
			o.Lines[i].Quantity += r.quantity
			return
		}
	}
	o.Lines = append(o.Lines, Line{SKU: r.sku, Quantity: r.quantity})
}

func (b *builder) plan() *Plan {
	for _, sku := range b.p.SKUs {
		p := b.products[sku]
		if p.Title == "" {
			p.Title = sku
		}
		if p.Pence > 0 {
			b.p.Products = append(b.p.Products, *p)
		}
	}
	for _, invoice := range b.order {
		b.p.Orders = append(b.p.Orders, *b.orders[invoice])
	}
	return &b.p
}
