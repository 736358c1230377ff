package edge

import (
	"net/http"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// withLoyalty returns all services and one more, whose public paths lie beside and below
// those of others.
func withLoyalty() []app.Service {
	return append(services.All(), app.Service{Name: "loyalty", Public: []app.Route{
		{Path: "/customers/{customer}/points", Own: "/points", Read: []app.Role{app.Customer, app.Staff}},
		{Path: "/products/{sku}/points", Read: []app.Role{app.Everybody}},
		{Path: "/levels", Inner: "/tiers", Read: []app.Role{app.Everybody}, Write: []app.Role{app.Warehouse}},
	}})
}

// Several services have paths below a shared beginning: the most specific route
// decides who answers, and who may ask.
func TestPathsBelowASharedPrefix(t *testing.T) {
	t.Parallel()
	if err := app.CheckServices(withLoyalty()); err != nil {
		t.Fatal(err)
	}
	ways(t, func(t *testing.T, w way) {
		seen := &requestLog{}
		playing := seen.serveAll()
		playing["loyalty"] = seen.serve("loyalty", nil)
		d := opened(t, w, Config{Services: withLoyalty()}, playing)
		for _, c := range []struct {
			who, method, path string
			status            int
			asked             string
		}{
			{"ann", "GET", "/customers/ann/points", 200, "loyalty /customers/ann/points"},
			{"ann", "GET", "/customers/ann/points/2010?limit=1", 200, "loyalty /customers/ann/points/2010?limit=1"},
			{"ann", "GET", "/customers/ann/wishlist", 200, "wishlist /customers/ann/wishlist"},
			{"ann", "GET", "/points", 200, "loyalty /customers/ann/points"},
			{"ann", "GET", "/points/2010", 200, "loyalty /customers/ann/points/2010"},
			{"ann", "GET", "/customers/bob/points", 404, ""},
			{"staff", "GET", "/customers/bob/points", 200, "loyalty /customers/bob/points"},
			{"warehouse", "GET", "/customers/bob/points", 403, ""},
			{"ann", "POST", "/customers/ann/points", 403, ""}, // nobody is named: staff
			{"staff", "POST", "/customers/ann/points", 200, "loyalty /customers/ann/points"},
			{"", "GET", "/customers/ann/points", 401, ""},
			{"ann", "GET", "/customers/ann/pointsets", 404, ""},
			{"ann", "GET", "/customers/ann", 404, ""},
			{"ann", "GET", "/customers/ann/%70oints", 404, ""},
			{"", "GET", "/products/A/points", 200, "loyalty /products/A/points"},
			{"", "GET", "/products/A/point", 200, "catalog /products/A/point"},
			{"", "GET", "/products/A", 200, "catalog /products/A"},
			{"", "GET", "/products/points", 200, "catalog /products/points"},
			{"", "GET", "/products/A/p%6Fints", 404, ""},
			{"", "GET", "/levels/gold", 200, "loyalty /tiers/gold"},
			{"staff", "PUT", "/levels/gold", 403, ""},
			{"warehouse", "PUT", "/levels/gold", 200, "loyalty /tiers/gold"},
			{"warehouse", "POST", "/orders/7/ship", 200, "sales /orders/7/ship"},
			{"staff", "POST", "/orders/7/ship", 403, ""},
			{"staff", "POST", "/orders/7/sh%69p", 403, ""},
			{"warehouse", "POST", "/orders/7/sh%69p", 404, ""},
			{"staff", "POST", "/orders/7/cancel", 200, "sales /orders/7/cancel"},
		} {
			header := []string{"Authorization", ""}
			if c.who != "" {
				header = as(c.who)
			}
			a := d.ask(c.method, prefix+c.path, "", header...)
			got := ""
			for _, asked := range seen.take() {
				got += asked.service + " " + asked.uri
			}
			if a.status != c.status || got != c.asked {
				t.Errorf("%s %s by %q gives %d and asks %q, want %d and %q: %s", c.method, c.path, c.who, a.status, got, c.status, c.asked, a.body)
			}
		}
	})
}

// A service's answer names its own paths; each becomes the public one of whichever of
// its routes has it.
func TestPathsOfAnswersBelowASharedPrefix(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{Services: withLoyalty()}, map[string]http.Handler{
		"loyalty": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/tiers/gold?x=/customers")
			w.Header().Set("Link", `</customers/ann/points?after=x>; rel="next", </customers/ann>; rel="up", </customers/ann/wishlist>; rel="other"`)
		}),
	})
	a := d.ask("GET", prefix+"/points", "", as("ann")...)
	if got, want := a.header.Get("Location"), prefix+"/levels/gold?x=/customers"; got != want {
		t.Errorf("Location is %s, want %s", got, want)
	}
	want := `<` + prefix + `/customers/ann/points?after=x>; rel="next", </customers/ann>; rel="up", </customers/ann/wishlist>; rel="other"`
	if got := a.header.Get("Link"); got != want {
		t.Errorf("Link is %s, want %s", got, want)
	}
}
