package sales

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/restclient"
)

func TestOrdersAreFilteredAndPaged(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		var all []string
		for i := range 7 {
			d := one("A")
			d.Customer = []string{"ann", "bob"}[i%2]
			d.ExternalID = restclient.Ptr(fmt.Sprint("x", i))
			all = append(all, place(t, s, d).ID)
		}
		if _, err := s.Cancel(t.Context(), all[2], always); err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			query Query
			after string
			limit int
			want  []string
		}{
			"all":              {Query{}, "", 50, all},
			"first page":       {Query{}, "", 3, all[:3]},
			"next page":        {Query{}, all[2], 3, all[3:6]},
			"one customer":     {Query{Customer: "bob"}, "", 50, []string{all[1], all[3], all[5]}},
			"one status":       {Query{Status: Cancelled}, "", 50, all[2:3]},
			"both":             {Query{Customer: "bob", Status: Cancelled}, "", 50, nil},
			"by ID":            {Query{IDs: []string{all[5], "none", all[0]}}, "", 50, []string{all[0], all[5]}},
			"by external ID":   {Query{ExternalID: "x4"}, "", 50, all[4:5]},
			"after the last":   {Query{}, all[6], 50, nil},
			"newest first":     {Query{Newest: true}, "", 3, []string{all[6], all[5], all[4]}},
			"its next page":    {Query{Newest: true}, all[4], 3, []string{all[3], all[2], all[1]}},
			"newest of one":    {Query{Newest: true, Customer: "bob"}, all[3], 50, all[1:2]},
			"unknown customer": {Query{Customer: "eve"}, "", 50, nil},
		} {
			rows, err := s.Orders(t.Context(), tc.query, tc.after, tc.limit)
			var got []string
			for _, o := range rows {
				got = append(got, o.ID)
				if len(o.Lines) != 1 {
					t.Errorf("%s: order %s has %d lines", name, o.ID, len(o.Lines))
				}
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: got %v (%v), want %v", name, got, err, tc.want)
			}
		}
		_, err := s.Order(t.Context(), "none")
		checkCode(t, err, fault.NotFound, "order_unknown")
	})
}

func TestStoresOrdersWithManyLines(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		var lines []DraftLine
		for i := range 1000 {
			code := fmt.Sprintf("S%04d", i)
			catalog.offer(code, 1, 1)
			lines = append(lines, DraftLine{SKU: code, Quantity: int64(i + 1)})
		}
		o := place(t, s, draft(lines...))
		kept, err := s.Order(t.Context(), o.ID)
		if err != nil || !slices.Equal(kept.Lines, o.Lines) || kept.TotalMinor != 500500 {
			t.Errorf("stored %d lines, got %d, total %d (%v)", len(o.Lines), len(kept.Lines), kept.TotalMinor, err)
		}
	})
}

func TestAnOlderPriceNeverOverwritesANewerOne(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		for _, version := range []int64{3, 1, 4, 2} {
			copies := []Price{
				{SKU: "B", PriceMinor: version, Currency: "GBP", Version: version, Withdrawn: version == 4},
				{SKU: "A", PriceMinor: version * 10, Currency: "GBP", Version: version},
			}
			if err := s.store.KeepPrices(t.Context(), copies); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := s.Prices(t.Context(), nil, "", 50)
		if err != nil || len(rows) != 2 || rows[0].PriceMinor != 40 || rows[1].Version != 4 || !rows[1].Withdrawn {
			t.Errorf("got %+v (%v)", rows, err)
		}
		rows, err = s.Prices(t.Context(), []string{"b"}, "", 50)
		if err != nil || len(rows) != 1 || rows[0].SKU != "B" {
			t.Errorf("got %+v (%v)", rows, err)
		}
	})
}

func TestSettleNamesTheCausingEvent(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		first, second := place(t, s, one("A")), place(t, s, draft(DraftLine{SKU: "A", Quantity: 1}, DraftLine{SKU: "B", Quantity: 9}))
		causes := map[string]events.Event{
			first.ID: events.OrderAllocated(first.ID, 1).Stamp(t.Context()), second.ID: events.OrderShort(second.ID, 1).Stamp(t.Context()),
		}
		done := map[string]Allocation{
			first.ID:  {OrderID: first.ID, Status: "allocated"},
			second.ID: {OrderID: second.ID, Status: "rejected", Short: map[string]int64{"B": 4}},
			"unknown": {OrderID: "unknown", Status: "allocated"},
		}
		for range 2 { // a repetition changes nothing
			err := s.store.db.Transaction(func(tx *gorm.DB) error { return s.store.settle(t.Context(), tx, done, causes) })
			if err != nil {
				t.Fatal(err)
			}
		}
		news := published(t, s)[2:]
		if len(news) != 2 || news[0].Type != events.SalesOrderConfirmed || news[1].Type != events.SalesOrderRejected {
			t.Fatalf("got events %+v", news)
		}
		for _, e := range news {
			cause := causes[e.Subject]
			if e.CausationID != cause.ID || e.CorrelationID != cause.CorrelationID || e.Version != 2 {
				t.Errorf("the causation ID of %+v is not that of %+v", e, cause)
			}
		}
		kept, err := s.Order(t.Context(), second.ID)
		if err != nil || kept.Status != Rejected || kept.Lines[0].Short != 0 || kept.Lines[1].Short != 4 || kept.Lines[1].Quantity != 9 {
			t.Errorf("kept %+v (%v)", kept, err)
		}
	})
}

func TestDatabaseConstraintsRefuseInvalidRows(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		insert := func(id, status string, total int64) error {
			o := Order{ID: id, Customer: "c", Status: status, Currency: "GBP", TotalMinor: total, Version: 1, PlacedAt: db.Now(), UpdatedAt: db.Now()}
			return conn.Omit("Lines").Create(&o).Error
		}
		if err := insert("o1", Placed, 1); err != nil {
			t.Fatal(err)
		}
		if insert("o2", "lost", 1) == nil || insert("o3", Placed, -1) == nil {
			t.Error("an order with an unknown status or a negative total was stored")
		}
		for name, line := range map[string]Line{
			"with quantity 0": {OrderID: "o1", N: 1, SKU: "A", Quantity: 0}, "of an unknown order": {OrderID: "o9", N: 1, SKU: "A", Quantity: 1},
			"with a negative price": {OrderID: "o1", N: 2, SKU: "A", Quantity: 1, PriceMinor: -1}, "with a negative shortage": {OrderID: "o1", N: 3, SKU: "A", Quantity: 1, Short: -1},
		} {
			if conn.Create(&line).Error == nil {
				t.Errorf("a line %s was stored", name)
			}
		}
	})
}

// Place writes nothing when its last statement fails.
func TestFailedPlaceWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		o := orderIn(Placed)
		o.Customer, o.Currency, o.PlacedAt, o.UpdatedAt = "c", "GBP", time.Now(), time.Now()
		o.Lines[1].Quantity = 0
		err := s.store.Place(t.Context(), o, []idempotencyKey{{scopeHeader, "k"}}, "f")
		if err == nil || errors.Is(err, errAnswered) || errors.Is(err, errInFlight) {
			t.Errorf("got %v", err)
		}
		for _, table := range []string{"orders", "order_lines", "idempotency_keys", "outbox"} {
			if n := count(t, s, table); n != 0 {
				t.Errorf("%s holds %d rows", table, n)
			}
		}
	})
}
