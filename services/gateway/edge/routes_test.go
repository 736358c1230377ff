package edge

import (
	"net/http"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// withAlbums returns all services and one more, whose public paths lie beside and below
// those of others.
func withAlbums() []app.Service {
	return append(services.All(), app.Service{Name: "albums", Public: []app.Route{
		{Path: "/customers/{customer}/stickers", Own: "/stickers", Read: []app.Role{app.Customer, app.Staff}},
		{Path: "/products/{sku}/stickers", Read: []app.Role{app.Everybody}},
		{Path: "/levels", Inner: "/tiers", Read: []app.Role{app.Everybody}, Write: []app.Role{app.Warehouse}},
	}})
}

// Several services have paths below a shared prefix. The most specific route selects the
// service and the allowed roles.
func TestPathsBelowASharedPrefix(t *testing.T) {
	t.Parallel()
	if err := app.CheckServices(withAlbums()); err != nil {
		t.Fatal(err)
	}
	ways(t, func(t *testing.T, w way) {
		seen := &requestLog{}
		playing := seen.serveAll()
		playing["albums"] = seen.serve("albums", nil)
		d := opened(t, w, Config{Services: withAlbums()}, playing)
		for _, c := range []struct {
			who, method, path string
			status            int
			asked             string
		}{
			{"ann", "GET", "/customers/ann/stickers", 200, "albums /customers/ann/stickers"},
			{"ann", "GET", "/customers/ann/stickers/2010?limit=1", 200, "albums /customers/ann/stickers/2010?limit=1"},
			{"ann", "GET", "/customers/ann/wishlist", 200, "wishlist /customers/ann/wishlist"},
			{"ann", "GET", "/stickers", 200, "albums /customers/ann/stickers"},
			{"ann", "GET", "/stickers/2010", 200, "albums /customers/ann/stickers/2010"},
			{"ann", "GET", "/customers/bob/stickers", 404, ""},
			{"staff", "GET", "/customers/bob/stickers", 200, "albums /customers/bob/stickers"},
			{"warehouse", "GET", "/customers/bob/stickers", 403, ""},
			{"ann", "POST", "/customers/ann/stickers", 403, ""}, // nobody is named: staff
			{"staff", "POST", "/customers/ann/stickers", 200, "albums /customers/ann/stickers"},
			{"", "GET", "/customers/ann/stickers", 401, ""},
			{"ann", "GET", "/customers/ann/stickersets", 404, ""},
			{"ann", "GET", "/customers/ann", 404, ""},
			{"ann", "GET", "/customers/ann/%70oints", 404, ""},
			{"", "GET", "/products/A/stickers", 200, "albums /products/A/stickers"},
			{"", "GET", "/products/A/point", 200, "catalog /products/A/point"},
			{"", "GET", "/products/A", 200, "catalog /products/A"},
			{"", "GET", "/products/stickers", 200, "catalog /products/stickers"},
			{"", "GET", "/products/A/s%74ickers", 404, ""},
			{"", "GET", "/levels/gold", 200, "albums /tiers/gold"},
			{"staff", "PUT", "/levels/gold", 403, ""},
			{"warehouse", "PUT", "/levels/gold", 200, "albums /tiers/gold"},
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
	d := opened(t, overHTTP, Config{Services: withAlbums()}, map[string]http.Handler{
		"albums": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/tiers/gold?x=/customers")
			w.Header().Set("Link", `</customers/ann/stickers?after=x>; rel="next", </customers/ann>; rel="up", </customers/ann/wishlist>; rel="other"`)
		}),
	})
	a := d.ask("GET", prefix+"/stickers", "", as("ann")...)
	if got, want := a.header.Get("Location"), prefix+"/levels/gold?x=/customers"; got != want {
		t.Errorf("Location is %s, want %s", got, want)
	}
	want := `<` + prefix + `/customers/ann/stickers?after=x>; rel="next", </customers/ann>; rel="up", </customers/ann/wishlist>; rel="other"`
	if got := a.header.Get("Link"); got != want {
		t.Errorf("Link is %s, want %s", got, want)
	}
}
