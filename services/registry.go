// Package services lists the services of the shop. What must know all of them (ports,
// variables, the gateway's routes, tests) derives it from All.
package services

import (
	"quadrille/internal/platform/app"
	"quadrille/services/catalog"
	"quadrille/services/inventory"
	"quadrille/services/sales"
	"quadrille/services/stats"
	"quadrille/services/wishlist"
)

// All returns the services behind the gateway, in the order of their ports: the first
// listens on PORT+1. Append a new one, so that the others keep their ports. Each New, in
// the service's wire.go, says which streams the service reads, whether it publishes one,
// and which of its paths are public.
func All() []app.Service {
	return []app.Service{
		inventory.New(),
		catalog.New(),
		wishlist.New(),
		sales.New(),
		stats.New(),
	}
}

// Names returns the names of All.
func Names() []string { return app.Names(All()) }

// ConsumersOnly returns the names of the services that publish no events.
func ConsumersOnly() []string { return app.ConsumersOnly(All()) }
