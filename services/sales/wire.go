package sales

import (
	"embed"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/pkg/consumer"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
)

// Name names the service and its stream.
const Name = "sales"

//go:embed openapi.yaml
var spec []byte

//go:embed migrations
var migrations embed.FS // for both dialects; there are no down migrations

// New describes the service to the runtime.
func New() app.Service {
	return app.Service{Name: Name, Migrations: migrations, Spec: spec, Reads: []string{"inventory", "catalog"}, Public: public(), Tables: tables(), Build: build}
}

// public returns the paths that the gateway forwards, with the roles allowed to use them.
func public() []app.Route {
	return []app.Route{
		{Path: "/orders", Read: []app.Role{app.Customer, app.Warehouse, app.Staff}, Write: []app.Role{app.Customer, app.Staff}},
		{Path: "/orders/{id}/ship", Read: []app.Role{app.Warehouse}, Write: []app.Role{app.Warehouse}},
	}
}

// tables declares what keeps each table from growing for ever.
func tables() []app.Table {
	return []app.Table{
		{Name: "orders", Bound: "business record: every order"},
		{Name: "order_lines", Bound: "business record: the lines of orders"},
		{Name: "prices", Bound: "one row per product"},
	}
}

func build(d app.Deps) (app.Components, error) {
	inventory, err := inventoryclient.New(d.URL("inventory"), d.HTTP)
	if err != nil {
		return app.Components{}, err
	}
	catalog, err := catalogclient.New(d.URL("catalog"), d.HTTP)
	if err != nil {
		return app.Components{}, err
	}
	rows := &store{db: d.DB, now: db.Now, timeout: d.Orders.Timeout, reminder: d.Orders.ShipReminder}
	allocations, err := consumer.NewConverging(d.Consumer(Name, "inventory", allocationEvents()), &allocationFollower{store: rows, inventory: inventory})
	if err != nil {
		return app.Components{}, err
	}
	prices, err := consumer.NewConverging(d.Consumer(Name, "catalog", priceEvents()), priceCopies(rows, catalog))
	if err != nil {
		return app.Components{}, err
	}
	service := &Service{store: rows, catalog: catalog, wake: d.Wake}
	return app.Components{
		Routes:    func(e *echo.Echo) { routes(e, service) },
		Consumers: []*consumer.Consumer{allocations, prices},
		Timers:    rows.timerHandlers(),
	}, nil
}
