package main

import (
	"fmt"
	"slices"
	"strings"

	"quadrille/internal/app"
	"quadrille/services/catalog"
	"quadrille/services/inventory"
	"quadrille/services/sales"
	"quadrille/services/wishlist"
)

// everyService is all services, in the order of their ports.
func everyService() []app.Service {
	return []app.Service{inventory.New(), catalog.New(), wishlist.New(), sales.New()}
}

// servicesNamed picks services by name; no names means all of them.
func servicesNamed(names []string) ([]app.Service, error) {
	if len(names) == 0 {
		return everyService(), nil
	}
	for _, name := range names {
		if !slices.Contains(app.Names(), name) {
			return nil, fmt.Errorf("there is no service %q; there are %s", name, strings.Join(app.Names(), ", "))
		}
	}
	var picked []app.Service
	for _, s := range everyService() {
		if slices.Contains(names, s.Name) {
			picked = append(picked, s)
		}
	}
	return picked, nil
}
