package main

import (
	"fmt"
	"slices"
	"strings"

	"quadrille/internal/app"
	"quadrille/services/catalog"
	"quadrille/services/gateway"
	"quadrille/services/inventory"
	"quadrille/services/sales"
	"quadrille/services/stats"
	"quadrille/services/wishlist"
)

// everyService is all services, in the order of their ports.
func everyService(cfg app.Config) []app.Service {
	return []app.Service{gateway.New(gateway.Config{Token: cfg.GatewayToken, Timeout: cfg.GatewayTimeout}), inventory.New(), catalog.New(), wishlist.New(), sales.New(), stats.New()}
}

// servicesNamed picks services by name; no names means all of them.
func servicesNamed(cfg app.Config, names []string) ([]app.Service, error) {
	all := everyService(cfg)
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(runnable(), name) {
			return nil, unknownService(name, runnable())
		}
	}
	return slices.DeleteFunc(all, func(s app.Service) bool { return !slices.Contains(names, s.Name) }), nil
}

// runnable is every service by name, the gateway first.
func runnable() []string { return append([]string{app.Gateway}, app.Names()...) }

// keeperNamed is a service that keeps something.
func keeperNamed(cfg app.Config, name string) (app.Service, error) {
	for _, s := range keepers(everyService(cfg)) {
		if s.Name == name {
			return s, nil
		}
	}
	return app.Service{}, unknownService(name, app.Names())
}

// keepers is those of the services that have a database.
func keepers(services []app.Service) []app.Service {
	return slices.DeleteFunc(services, func(s app.Service) bool { return s.Stateless })
}

func unknownService(name string, there []string) error {
	return fmt.Errorf("there is no service %q; there are %s", name, strings.Join(there, ", "))
}
