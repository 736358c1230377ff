package edge

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/ratelimit"
)

// documented parses the OpenAPI document of the public API.
func documented(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document(t))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operation is an operation of the document with an example path.
type operation struct {
	method, path string // the path as the document has it
	*openapi3.Operation
}

func (o operation) String() string { return o.method + " " + o.path }

func operations(t *testing.T) (all []operation) {
	t.Helper()
	for path, item := range documented(t).Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{method, path, op})
		}
	}
	return all
}

// roles returns the allowed roles in the document; none means everybody.
func (o operation) roles(t *testing.T) (roles []auth.Role) {
	t.Helper()
	names, is := o.Extensions["x-roles"].([]any)
	if !is {
		t.Fatalf("%s has no list of roles in x-roles: %v", o, o.Extensions["x-roles"])
	}
	for _, name := range names {
		role, err := auth.ParseRoles([]string{name.(string)})
		if err != nil {
			t.Fatalf("%s: %v", o, err)
		}
		roles = append(roles, role...)
	}
	return roles
}

// target returns the example path.
func (o operation) target() string {
	return strings.NewReplacer("{customer}", "ann", "{service}", "sales", "{stream}", "sales", "{id}", "1", "{sku}", "A", "{code}", "A").Replace(o.path)
}

// ask makes the operation's request as somebody, or as nobody, and says what came of
// it. Of a stream it takes the head alone.
func (o operation) ask(d *testGateway, who string) answer {
	d.t.Helper()
	body := ""
	if o.RequestBody != nil {
		body = "{}"
	}
	header := []string{"Authorization", ""}
	if who != "" {
		header = as(who)
	}
	got, err := d.http.Do(d.request(o.method, o.target(), body, header...))
	if err != nil {
		d.t.Fatal(err)
	}
	defer got.Body.Close()
	a := answer{status: got.StatusCode, header: got.Header}
	if got.Header.Get("Content-Type") != "text/event-stream" {
		content, err := io.ReadAll(got.Body)
		if err != nil {
			d.t.Fatal(err)
		}
		a.body = string(content)
	}
	return a
}

// Callers with the roles in the document pass the gateway; all others are refused.
func TestDocumentStatesAllowedRoles(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{}, (&requestLog{}).serveAll(), withDevRoutes(t))
	for _, o := range operations(t) {
		roles := o.roles(t)
		for who, role := range map[string]auth.Role{"": "", "ann": auth.Customer, "warehouse": auth.Warehouse, "staff": auth.Staff} {
			a := o.ask(d, who)
			what := o.String() + " by " + string(role)
			switch {
			case len(roles) == 0 || slices.Contains(roles, role):
				for _, code := range []string{"path_unknown", "method_not_allowed", "token_required", "role_required"} {
					if strings.Contains(a.body, `"code":"`+code+`"`) {
						t.Errorf("%s gives %d %s", what, a.status, a.body)
					}
				}
			case who == "":
				a.refused(t, what, http.StatusUnauthorized, "token_required")
			default:
				a.refused(t, what, http.StatusForbidden, "role_required")
			}
		}
	}
}

// The descriptions of the operations name the roles in the extension of the document.
func TestDocumentDescriptionsNameTheRoles(t *testing.T) {
	t.Parallel()
	for _, o := range operations(t) {
		roles := o.roles(t)
		for _, role := range roles {
			if !strings.Contains(o.Description, string(role)) {
				t.Errorf("%s does not tell people that %s may: %s", o, role, o.Description)
			}
		}
		if len(roles) == 0 && !strings.Contains(o.Description, "For everybody") {
			t.Errorf("%s does not tell people that everybody may: %s", o, o.Description)
		}
	}
}

// The document is served to any caller, even with invalid credentials, within the rate
// limit of the address.
func TestServesDocumentToEverybody(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{Address: ratelimit.Rate{PerSecond: 100, Burst: 100}}, nil)
	d.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, header := range [][]string{{"Authorization", ""}, {"Authorization", "Bearer wrong"}} {
		page := d.ask("GET", prefix+"/docs", "", header...)
		if page.status != http.StatusOK || !strings.Contains(page.body, "/api/v1/orders/{id}/cancel") {
			t.Errorf("the page is %d %s", page.status, page.body)
		}
		if !strings.HasPrefix(page.header.Get("Ratelimit"), `"address"`) {
			t.Errorf("an address may ask for the page without end: %v", page.header)
		}
		if policy := page.header.Values("Content-Security-Policy"); len(policy) != 1 || strings.Contains(policy[0], "unsafe") || !strings.Contains(policy[0], "style-src 'sha256-") {
			t.Errorf("the page's policy is %q", policy)
		}
		text := d.ask("GET", prefix+"/openapi.yaml", "", header...)
		if served, err := openapi3.NewLoader().LoadFromData([]byte(text.body)); err != nil || served.Paths.Len() != documented(t).Paths.Len() {
			t.Errorf("what is served is not the document: %v", err)
		}
	}
	for _, path := range []string{"/docs", "/openapi.yaml"} {
		if a := d.ask("GET", path, ""); a.status != http.StatusPermanentRedirect || a.header.Get("Location") != prefix+path {
			t.Errorf("%s gives %d to %s", path, a.status, a.header.Get("Location"))
		}
	}
	if a := d.ask("HEAD", prefix+"/docs", ""); a.status != http.StatusOK {
		t.Errorf("HEAD of the page gives %d", a.status)
	}
}
