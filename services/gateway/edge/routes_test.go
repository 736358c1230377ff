package edge

import (
	"maps"
	"net/http"
	"testing"

	"gopkg.in/yaml.v3"

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
		{Path: "/customers/{customer}/swaps", Own: "/products/swaps", Read: []app.Role{app.Customer}, Write: []app.Role{app.Customer}},
	}})
}

// albumsDocument returns the public document with the operations of withAlbums. The operation
// GET /customers/{customer}/stickers/secret is not among them.
func albumsDocument(t *testing.T) []byte {
	t.Helper()
	return documentWith(t, `
/api/v1/customers/{customer}/stickers: { get: { x-roles: [customer, staff] }, post: { x-roles: [staff] } }
/api/v1/customers/{customer}/stickers/years/{year}: { get: { x-roles: [customer, staff] } }
/api/v1/stickers: { get: { x-roles: [customer, staff] } }
/api/v1/stickers/years/{year}: { get: { x-roles: [customer, staff] } }
/api/v1/products/{sku}/stickers: { get: { x-roles: [] } }
/api/v1/levels/{level}: { get: { x-roles: [] }, put: { x-roles: [warehouse] } }
/api/v1/customers/{customer}/swaps: { get: { x-roles: [customer] } }
/api/v1/products/swaps: { get: { x-roles: [customer] } }
`)
}

// documentWith returns the public document with more paths.
func documentWith(t *testing.T, paths string) []byte {
	t.Helper()
	root := treeOf(t, document(t))
	maps.Copy(root["paths"].(tree), treeOf(t, []byte(paths)))
	text, err := yaml.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return text
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
		d := opened(t, w, Config{Services: withAlbums(), Document: albumsDocument(t)}, playing)
		for _, c := range []struct {
			who, method, path string
			status            int
			asked             string
		}{
			{"ann", "GET", "/customers/ann/stickers", 200, "albums /customers/ann/stickers"},
			{"ann", "GET", "/customers/ann/stickers/years/2010?limit=1", 200, "albums /customers/ann/stickers/years/2010?limit=1"},
			{"ann", "GET", "/customers/ann/wishlist", 200, "wishlist /customers/ann/wishlist"},
			{"ann", "GET", "/stickers", 200, "albums /customers/ann/stickers"},
			{"ann", "GET", "/stickers/years/2010", 200, "albums /customers/ann/stickers/years/2010"},
			{"ann", "GET", "/stickers/secret", 404, ""}, // the document does not have it
			{"ann", "GET", "/customers/ann/stickers/secret", 404, ""},
			{"staff", "GET", "/customers/ann/stickers/secret", 404, ""},
			{"", "GET", "/customers/ann/stickers/secret", 404, ""},
			{"staff", "DELETE", "/customers/ann/stickers", 405, ""},
			{"ann", "GET", "/stickers/", 404, ""},
			{"ann", "GET", "/stickers/years/", 404, ""},
			{"ann", "GET", "/stickers/years//", 404, ""},
			{"ann", "GET", "/stickers/years/2010/more", 404, ""},
			{"ann", "GET", "/products/swaps", 200, "albums /customers/ann/swaps"},
			{"", "GET", "/products/swaps", 401, ""}, // although /products is for everybody
			{"staff", "GET", "/products/swaps", 403, ""},
			{"ann", "GET", "/customers/bob/stickers", 404, ""},
			{"staff", "GET", "/customers/bob/stickers", 200, "albums /customers/bob/stickers"},
			{"warehouse", "GET", "/customers/bob/stickers", 403, ""},
			{"ann", "POST", "/customers/ann/stickers", 403, ""}, // nobody is named: staff
			{"staff", "POST", "/customers/ann/stickers", 200, "albums /customers/ann/stickers"},
			{"", "GET", "/customers/ann/stickers", 401, ""},
			{"ann", "GET", "/customers/ann/stickersets", 404, ""},
			{"ann", "GET", "/customers/ann", 404, ""},
			{"ann", "GET", "/customers/ann/%73tickers", 404, ""},
			{"", "GET", "/products/A/stickers", 200, "albums /products/A/stickers"},
			{"", "GET", "/products/A/sticker", 404, ""},
			{"", "GET", "/products/A", 200, "catalog /products/A"},
			{"", "GET", "/products/stickers", 200, "catalog /products/stickers"},
			{"", "GET", "/products/A/s%74ickers", 404, ""},
			{"", "GET", "/levels/gold", 200, "albums /tiers/gold"},
			{"staff", "PUT", "/levels/gold", 403, ""},
			{"warehouse", "PUT", "/levels/gold", 200, "albums /tiers/gold"},
			{"warehouse", "POST", "/orders/7/ship", 200, "sales /orders/7/ship"},
			{"staff", "POST", "/orders/7/ship", 403, ""},
			{"staff", "POST", "/orders/7/sh%69p", 404, ""},
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
	d := opened(t, overHTTP, Config{Services: withAlbums(), Document: albumsDocument(t)}, map[string]http.Handler{
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
