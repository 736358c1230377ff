package main

import (
	"fmt"
	"slices"
	"strings"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/services/gateway"
)

// fromEnvironment reads the configuration of the shop.
func fromEnvironment() (app.Config, error) { return app.FromEnvironment(services.Names()) }

// servicesNamed returns the services with these names, or all without names.
func servicesNamed(cfg app.Config, names []string) ([]app.Service, error) {
	all, err := gateway.InFrontOf(services.All(), cfg)
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
func runnable() []string { return append([]string{app.Gateway}, services.Names()...) }

// serviceNamed returns the service with that name.
func serviceNamed(cfg app.Config, name string) (app.Service, error) {
	found, err := servicesNamed(cfg, []string{name})
	if err != nil {
		return app.Service{}, err
	}
	return found[0], nil
}

func unknownService(name string, known []string) error {
	return fmt.Errorf("there is no service %q; the services are %s", name, strings.Join(known, ", "))
}
