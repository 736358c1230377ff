package wishlist

import (
	"fmt"
	"testing"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox/outboxtest"
)

func customers() []string { return []string{"ann", "bob"} }

// Events in any order and with duplicates notify the same wishes, each once.
func TestNotificationsConverge(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		inventory, published := stocktest.History(t, "A", "B", "C")
		want := converge(t, conn, inventory, [][]events.Event{published})
		got := converge(t, conn, inventory, stocktest.Shuffled(t, published))
		if got != want {
			t.Fatalf("in order: %s\nshuffled: %s", want, got)
		}
	})
}

// converge delivers the batches to a wishlist with most SKUs wished by two customers. It
// returns the wishes and the published events as text.
func converge(t *rapid.T, conn *gorm.DB, inventory stocktest.Inventory, batches [][]events.Event) string {
	s := emptied(t, conn)
	for _, customer := range customers() {
		for _, code := range []string{"A", "B"} {
			wish(t, s, customer, code)
		}
	}
	for _, batch := range batches {
		follow(t, s, inventory, batch...)
	}
	return fmt.Sprint(shown(t, s), len(outboxtest.Events(t, conn)), " events")
}

func emptied(t *rapid.T, conn *gorm.DB) *Service {
	for _, table := range []string{"items", "stock", "outbox"} {
		if err := conn.Exec("DELETE FROM " + table).Error; err != nil {
			t.Fatal(err)
		}
	}
	return serviceOn(conn)
}

// shown returns all wishes as text.
func shown(t *rapid.T, s *Service) (state string) {
	for _, customer := range customers() {
		rows, err := s.Items(t.Context(), customer, "", 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range rows {
			state += line(i, i.NotifiedAt != nil)
		}
	}
	return state
}

func line(i Item, notified bool) string {
	return fmt.Sprintf("%s/%s@%d available %t notified %t; ", i.Customer, i.SKU, i.Version, i.Available, notified)
}

// account is a simple model of wishes and stock.
type account struct {
	quantity map[string]int64
	items    map[string]*Item // by subject
	notified map[string]bool
	events   string
}

func (a *account) item(customer, code string) *Item {
	key := customer + "/" + code
	if a.items[key] == nil {
		a.items[key] = &Item{Customer: customer, SKU: code, Removed: true}
	}
	return a.items[key]
}

func (a *account) wish(i *Item) {
	if i.Removed {
		i.Removed, a.notified[i.Customer+"/"+i.SKU] = false, false
		i.Version++
		a.events += fmt.Sprintln(events.WishlistItemWished, i.Customer+"/"+i.SKU, i.Version)
	}
}

func (a *account) stock(code string, quantity int64) {
	before := a.quantity[code] > 0
	a.quantity[code] = quantity
	for _, customer := range customers() {
		i := a.item(customer, code)
		if i.Removed || before == (quantity > 0) {
			continue
		}
		i.Version++
		if !before {
			a.notified[customer+"/"+code] = true
			a.events += fmt.Sprintln(events.WishlistItemAvailable, customer+"/"+code, i.Version)
		}
	}
}

func (a *account) shown() (state string) {
	for _, customer := range customers() {
		for _, code := range []string{"A", "B"} {
			if i := *a.item(customer, code); !i.Removed {
				i.Available = a.quantity[code] > 0
				state += line(i, a.notified[customer+"/"+code])
			}
		}
	}
	return state
}

// Any sequence of changes of wishes and stock gives the wishes and events of a simple
// model.
func TestWishlistMatchesAModel(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s, inventory := emptied(t, conn), stocktest.Inventory{}
		a := &account{quantity: map[string]int64{}, items: map[string]*Item{}, notified: map[string]bool{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			step(t, s, inventory, a)
			if got, want := shown(t, s), a.shown(); got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
		}
		got := ""
		for _, e := range outboxtest.Events(t, conn) {
			got += fmt.Sprintln(e.Type, e.Subject, e.Version)
		}
		if got != a.events {
			t.Fatalf("got events\n%s\nwant\n%s", got, a.events)
		}
	})
}

// step applies a random operation to the service and to the model.
func step(t *rapid.T, s *Service, inventory stocktest.Inventory, a *account) {
	code := rapid.SampledFrom([]string{"A", "B"}).Draw(t, "sku")
	i := a.item(rapid.SampledFrom(customers()).Draw(t, "customer"), code)
	switch rapid.SampledFrom([]string{"wish", "remove", "stock"}).Draw(t, "step") {
	case "wish":
		wish(t, s, i.Customer, code)
		a.wish(i)
	case "remove":
		if err := s.Remove(t.Context(), i.Customer, code); (err == nil) == i.Removed {
			t.Fatalf("remove %+v: %v", i, err)
		}
		if !i.Removed {
			i.Removed = true
			i.Version++
		}
	case "stock":
		quantity := rapid.Int64Range(0, 2).Draw(t, "quantity")
		follow(t, s, inventory, inventory.Set(code, quantity))
		a.stock(code, quantity)
	}
}
