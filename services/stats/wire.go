package stats

import (
	"embed"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/app"
	"quadrille/internal/shop/ordercopy"
	"quadrille/pkg/consumer"
	salesclient "quadrille/services/sales/client"
)

// Name names the service.
const Name = "stats"

//go:embed openapi.yaml
var spec []byte

//go:embed migrations
var migrations embed.FS // for both dialects; there are no down migrations

// New describes the service to the runtime. It publishes no events.
func New() app.Service {
	return app.Service{Name: Name, Migrations: migrations, Spec: spec, ConsumerOnly: true, Reads: []string{"sales"}, Public: public(), Tables: tables(), Build: build}
}

// public returns the paths that the gateway forwards, with the roles allowed to use them.
func public() []app.Route {
	return []app.Route{{Path: "/stats/sales", Inner: "/sales"}, {Path: "/stats", Inner: "/sales"}}
}

// tables declares what keeps each table from growing for ever.
func tables() []app.Table {
	const copied = "copies of sales: one row per order, or per line of it"
	return []app.Table{{Name: "orders", Bound: copied}, {Name: "order_lines", Bound: copied}}
}

func build(d app.Deps) (app.Components, error) {
	sales, err := salesclient.New(d.URL("sales"), d.HTTP)
	if err != nil {
		return app.Components{}, err
	}
	rows := &store{db: d.DB}
	orders, err := consumer.NewConverging(d.Consumer(Name, "sales", ordercopy.Types()), orderCopies(rows, sales))
	if err != nil {
		return app.Components{}, err
	}
	service := &Service{store: rows}
	return app.Components{
		Routes:    func(e *echo.Echo) { routes(e, service) },
		Consumers: []*consumer.Consumer{orders},
	}, nil
}
