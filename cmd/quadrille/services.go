package main

import (
	"fmt"
	"slices"
	"strings"

	"quadrille/internal/platform/app"
	"quadrille/services/catalog"
	"quadrille/services/gateway"
	"quadrille/services/inventory"
	"quadrille/services/sales"
	"quadrille/services/stats"
	"quadrille/services/wishlist"
)

// everyService returns all services in the order of their ports.
func everyService(cfg app.Config) ([]app.Service, error) {
	front, err := gateway.FromConfig(cfg)
	if err != nil {
		return nil, err
	}
	return []app.Service{gateway.New(front), inventory.New(), catalog.New(), wishlist.New(), sales.New(), stats.New()}, nil
}

// servicesNamed picks services by name; no names means all of them.
func servicesNamed(cfg app.Config, names []string) ([]app.Service, error) {
	all, err := everyService(cfg)
	if err != nil || len(names) == 0 {
		return all, err
	}
	for _, name := range names {
		if !slices.Contains(runnable(), name) {
			return nil, unknownService(name, runnable())
		}
	}
	return slices.DeleteFunc(all, func(s app.Service) bool { return !slices.Contains(names, s.Name) }), nil
}

// runnable returns the names of all services, the gateway first.
func runnable() []string { return append([]string{app.Gateway}, app.Names()...) }

// serviceNamed returns the service with that name.
func serviceNamed(cfg app.Config, name string) (app.Service, error) {
	found, err := servicesNamed(cfg, []string{name})
	if err != nil {
		return app.Service{}, err
	}
	return found[0], nil
}

func unknownService(name string, there []string) error {
	return fmt.Errorf("there is no service %q; there are %s", name, strings.Join(there, ", "))
}
