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

// However the events come, the same wishes are notified, and each once.
func TestNotificationsConverge(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		inventory, told := stocktest.History(t, "A", "B", "C")
		want := converge(t, conn, inventory, [][]events.Event{told})
		got := converge(t, conn, inventory, stocktest.Shuffled(t, told))
		if got != want {
			t.Fatalf("in order: %s\nanyhow:   %s", want, got)
		}
	})
}

// converge hands the batches to a wishlist on which two customers wish for nearly
// everything, and returns what it shows and what it told.
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

// shown is everything that is on the lists.
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

// account is the simplest account of what happens to wishes and stock.
type account struct {
	quantity map[string]int64
	items    map[string]*Item // by subject
	notified map[string]bool
	told     string
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
		a.told += fmt.Sprintln(events.WishlistItemWished, i.Customer+"/"+i.SKU, i.Version)
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
			a.told += fmt.Sprintln(events.WishlistItemAvailable, customer+"/"+code, i.Version)
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

// Whatever happens to wishes and stock, in whatever order: the lists show, and the
// customers are told, what the simplest account of it says.
func TestWishlistMatchesAModel(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s, inventory := emptied(t, conn), stocktest.Inventory{}
		a := &account{quantity: map[string]int64{}, items: map[string]*Item{}, notified: map[string]bool{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			step(t, s, inventory, a)
			if got, want := shown(t, s), a.shown(); got != want {
				t.Fatalf("shows %s\nwant  %s", got, want)
			}
		}
		got := ""
		for _, e := range outboxtest.Events(t, conn) {
			got += fmt.Sprintln(e.Type, e.Subject, e.Version)
		}
		if got != a.told {
			t.Fatalf("told\n%s\nwant\n%s", got, a.told)
		}
	})
}

// step does one thing and takes it to account.
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
