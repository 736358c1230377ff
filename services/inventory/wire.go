package inventory

import (
	"context"
	"embed"
	"time"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/internal/platform/ready"
	"quadrille/pkg/consumer"
	"quadrille/pkg/task"
	salesclient "quadrille/services/sales/client"
)

// Name is the name of the service and of its stream.
const Name = "inventory"

//go:embed openapi.yaml
var spec []byte

//go:embed migrations
var migrations embed.FS // the tables, for both dialects; there are no down migrations

// New describes the service to the runtime.
func New() app.Service {
	return app.Service{Name: Name, Migrations: migrations, Spec: spec, Reads: []string{"sales"}, Public: public(), Tables: tables(), Build: build}
}

// public returns the paths that the gateway forwards, with the roles allowed to use them.
func public() []app.Route {
	warehouse := []app.Role{app.Warehouse}
	return []app.Route{
		{Path: "/skus", Read: warehouse, Write: warehouse},
		{Path: "/receipts", Read: warehouse, Write: warehouse},
		{Path: "/adjustments", Read: warehouse, Write: warehouse},
		{Path: "/imports", Read: warehouse, Write: warehouse},
	}
}

// tables declares what keeps each table from growing for ever.
func tables() []app.Table {
	const perOrder = "business record: one row per order, or per line of it"
	return []app.Table{
		{Name: "skus", Bound: "one row per SKU"},
		{Name: "movements", Bound: "business record: every change of stock, which the sums of skus are checked against"},
		{Name: "allocations", Bound: perOrder},
		{Name: "allocation_lines", Bound: perOrder},
		{Name: "imports", Task: taskPruneImports, Age: "IMPORTS_KEEP"},
		{Name: "import_errors", Task: taskPruneImports, Age: "IMPORTS_KEEP"},
		{Name: "import_chunks", Bound: "the file of an import, deleted when the import ends; an upload that was cut off is deleted after a day"},
	}
}

const taskPruneImports = "prune_imports"

// tasks returns the periodic tasks.
func tasks(keep app.Keep) (all []task.Task) {
	if keep.Imports > 0 {
		all = append(all, app.PruneTask(taskPruneImports, time.Hour, keep.Imports, pruneImports))
	}
	return all
}

func build(d app.Deps) (app.Components, error) {
	sales, err := salesclient.New(d.URL("sales"), d.HTTP)
	if err != nil {
		return app.Components{}, err
	}
	rows := &store{db: d.DB, now: db.Now}
	service := &Service{store: rows, wake: d.Wake, upload: make(chan struct{}, 1)}
	orders, err := consumer.NewConverging(d.Consumer(Name, "sales", orderEvents()), orderCopies(rows, sales))
	if err != nil {
		return app.Components{}, err
	}
	imports := newImporter(rows, d.Wake, service.upload, importSlots(d.DB), d.Log)
	return app.Components{
		Routes:    func(e *echo.Echo) { routes(e, service) },
		Consumers: []*consumer.Consumer{orders},
		Workers:   []func(context.Context) error{imports.Run},
		Checks:    []ready.Check{importsCheck(rows, rows.now())},
		Tasks:     tasks(d.Keep),
	}, nil
}

// importSlots returns the number of imports that run at a time: three, or half of the
// database's connections if that is less.
func importSlots(conn *gorm.DB) int {
	const most = 3
	pool, err := conn.DB()
	if err != nil {
		return 1
	}
	return min(max(pool.Stats().MaxOpenConnections/2, 1), most)
}
