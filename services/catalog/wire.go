package catalog

import (
	"embed"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/internal/shop/stockcopy"
	"quadrille/pkg/consumer"
	inventoryclient "quadrille/services/inventory/client"
)

// Name names the service and its stream.
const Name = "catalog"

//go:embed openapi.yaml
var spec []byte

//go:embed migrations
var migrations embed.FS // for both dialects; there are no down migrations

// New describes the service to the runtime.
func New() app.Service {
	return app.Service{Name: Name, Migrations: migrations, Spec: spec, Reads: []string{"inventory"}, Public: public(), Tables: tables(), Build: build}
}

// public returns the paths that the gateway forwards, with the roles allowed to use them.
func public() []app.Route {
	return []app.Route{{Path: "/products", Read: []app.Role{app.Everybody}, Write: []app.Role{app.Staff}}}
}

// tables declares what keeps each table from growing for ever.
func tables() []app.Table {
	return []app.Table{
		{Name: "products", Bound: "one row per product; a withdrawn one stays for the orders that name it"},
		{Name: "stock", Bound: "one row per SKU"},
	}
}

func build(d app.Deps) (app.Components, error) {
	inventory, err := inventoryclient.New(d.URL("inventory"), d.HTTP)
	if err != nil {
		return app.Components{}, err
	}
	rows := &store{db: d.DB, now: db.Now}
	stock, err := consumer.NewConverging(d.Consumer(Name, "inventory", stockcopy.Types()), stockCopies(rows, inventory))
	if err != nil {
		return app.Components{}, err
	}
	service := &Service{store: rows, wake: d.Wake}
	return app.Components{
		Routes:    func(e *echo.Echo) { routes(e, service) },
		Consumers: []*consumer.Consumer{stock},
	}, nil
}
