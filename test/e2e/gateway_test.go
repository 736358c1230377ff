package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/internal/platform/app"
	"quadrille/pkg/fault"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
	"quadrille/test/harness/identity"
	"quadrille/test/harness/parts"
)

// visitor asks a shop's gateway over plain HTTP, as anybody outside does.
type visitor struct {
	t    *testing.T
	base string // of everything that is asked
	http *http.Client
}

func visit(t *testing.T, s *harness.Shop) visitor {
	t.Helper()
	return visitor{t, strings.TrimSuffix(s.PublicAPI(), "/api/v1"), client(t)}
}

// seen is an answer that was read.
type seen struct {
	status int
	header http.Header
	body   string
}

// ask makes a request with all roles. header holds names and values in turn.
func (v visitor) ask(method, path, body string, header ...string) seen {
	v.t.Helper()
	return v.askAs(identity.Bearer(path), method, path, body, header...)
}

func (v visitor) askAs(authorization, method, path, body string, header ...string) seen {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	answer, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return seen{answer.StatusCode, answer.Header, string(content)}
}

// is checks a status and returns the answer's body.
func is[T any](t *testing.T, a seen, status int) (body T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("the answer is %d %s, want %d", a.status, a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return body
}

// refused checks that an answer is a problem document of this status, code and
// pointer.
func (a seen) refused(t *testing.T, status int, code, pointer string) {
	t.Helper()
	p := is[fault.Problem](t, a, status)
	if p.Code != code || a.header.Get("Content-Type") != fault.ProblemType || pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != pointer) {
		t.Errorf("the answer is %d %s, want %s at %s", a.status, a.body, code, pointer)
	}
}

// pages follows a list by its Link headers, as they are given, to its end.
func (v visitor) pages(path, key string) (keys []string) {
	v.t.Helper()
	for path != "" {
		a := v.ask("GET", path, "")
		page := is[struct {
			Items []map[string]any `json:"items"`
		}](v.t, a, http.StatusOK)
		for _, item := range page.Items {
			keys = append(keys, fmt.Sprint(item[key]))
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
	}
	return keys
}

// The whole path of an order through the gateway.
func TestOrderThroughTheGateway(t *testing.T) {
	harness.Each(t, func(t *testing.T, inside *harness.Shop) {
		s, v := inside.Public(t), visit(t, inside)
		for i := range 5 {
			sku := fmt.Sprint("S.", i)
			offer(t, s, sku, "2.50")
			receive(t, s, "open "+sku, sku, 10)
		}
		shows(t, s, "S.4", 10)
		if _, created, err := s.Wishlist.Wish(t.Context(), "bob", "s.0"); err != nil || !created {
			t.Errorf("wish: created %t, %v", created, err)
		}

		t.Log("ordered, under a key: the stored answer comes again")
		const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		body := `{"customer":"ann","lines":[{"sku":"s.0","quantity":2},{"sku":"S.1","quantity":1}]}`
		first := v.ask("POST", "/api/v1/orders", body, "Idempotency-Key", "k", "Traceparent", trace)
		order := is[salesclient.Order](t, first, http.StatusCreated)
		if got := first.header.Get("Location"); got != "/api/v1/orders/"+order.Id {
			t.Errorf("Location is %q", got)
		}
		again := v.ask("POST", "/api/v1/orders", body, "Idempotency-Key", "k")
		if again.status != http.StatusCreated || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Location") != first.header.Get("Location") {
			t.Errorf("first %d %v %s, then %d %v %s", first.status, first.header, first.body, again.status, again.header, again.body)
		}
		v.ask("POST", "/api/v1/orders", strings.Replace(body, "ann", "eve", 1), "Idempotency-Key", "k").refused(t, http.StatusUnprocessableEntity, "idempotency_key_reused", "")
		if at := is[salesclient.Order](t, v.ask("GET", first.header.Get("Location"), ""), http.StatusOK); at.Id != order.Id {
			t.Errorf("at %s is %+v", first.header.Get("Location"), at)
		}
		harness.Eventually(t, func(context.Context) error { // the feed has what was sent
			if said := feed(t, inside, "sales"); !strings.Contains(said, `"traceparent":"`+trace+`"`) {
				return errors.New("the trace is not in " + said)
			}
			return nil
		})

		t.Log("shipped, cancelled, counted")
		becomes(t, s, order.Id, salesclient.Confirmed)
		must[salesclient.Order](t)(s.Sales.Ship(t.Context(), order.Id))
		other := place(t, s, orderOf("ann", "S.2×1"))
		becomes(t, s, other.Id, salesclient.Confirmed)
		must[salesclient.Order](t)(s.Sales.Cancel(t.Context(), other.Id))
		harness.Eventually(t, func(ctx context.Context) error {
			sum, err := s.Stats.Summary(ctx)
			if err == nil && (sum.Orders != 2 || sum.Shipped != 1 || sum.Cancelled != 1 || sum.Units != 3 || sum.Revenue.Amount != "7.50") {
				err = fmt.Errorf("the summary is %+v", sum)
			}
			return err
		})
		is[map[string]any](t, v.ask("GET", "/api/v1/stats/summary", ""), http.StatusOK)

		t.Log("listed, page by page")
		all := []string{"S.0", "S.1", "S.2", "S.3", "S.4"}
		for path, key := range map[string]string{"/api/v1/products?limit=2": "sku", "/api/v1/skus?limit=2": "code", "/api/v1/products?limit=2&available=true&q=a+s": "sku"} {
			if got := v.pages(path, key); !slices.Equal(got, all) {
				t.Errorf("%s lists %v", path, got)
			}
		}
		if got := v.pages("/api/v1/orders?customer=ann&limit=1", "id"); !slices.Equal(got, []string{order.Id, other.Id}) {
			t.Errorf("ann's orders are %v", got)
		}
		if got := v.pages("/api/v1/customers/bob/wishlist?limit=1", "sku"); !slices.Equal(got, []string{"S.0"}) {
			t.Errorf("bob's wishes are %v", got)
		}

		agree(t, inside)
	})
}

// feed returns the events of a service, of which there are few.
func feed(t *testing.T, s *harness.Shop, service string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(service)+"/feed?limit=500", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the feed of %s: %d %v", service, answer.StatusCode, err)
	}
	return string(body)
}

// The gateway passes on the services' refusals and 304 responses unchanged.
func TestGatewayRefusesInvalidRequests(t *testing.T) {
	harness.Each(t, func(t *testing.T, inside *harness.Shop) {
		s, v := inside.Public(t), visit(t, inside)
		offer(t, s, "A", "1.00")
		receive(t, s, "r", "A", 3)
		shows(t, s, "A", 3)

		t.Log("callers without a token may read products, and nothing else")
		if a := v.askAs("", "GET", "/api/v1/products/A", ""); a.status != http.StatusOK {
			t.Errorf("a product: %d %s", a.status, a.body)
		}
		v.askAs("", "GET", "/api/v1/orders", "").refused(t, http.StatusUnauthorized, "token_required", "")
		v.askAs("Bearer x", "PUT", "/api/v1/products/A", "{}").refused(t, http.StatusUnauthorized, "token_invalid", "")
		v.askAs("", "GET", "/api/v1/products/..%2Ffeed", "").refused(t, http.StatusNotFound, "path_unknown", "")

		t.Log("tags")
		product := `{"title":"B","price":{"amount":"1.00","currency":"GBP"}}`
		tag := v.ask("GET", "/api/v1/products/A", "").header.Get("ETag")
		if a := v.ask("GET", "/api/v1/products/A", "", "If-None-Match", tag); a.status != http.StatusNotModified || a.body != "" || a.header.Get("ETag") != tag {
			t.Errorf("not modified: %d %s %v, want %s", a.status, a.body, a.header, tag)
		}
		v.ask("PUT", "/api/v1/products/A", product, "If-Match", `"99"`).refused(t, http.StatusPreconditionFailed, "version_stale", "#/header/If-Match")
		if a := v.ask("PUT", "/api/v1/products/A", product, "If-Match", tag); a.status != http.StatusOK || a.header.Get("ETag") == tag {
			t.Errorf("replaced: %d %s %v", a.status, a.body, a.header)
		}

		t.Log("what is wrong, and where")
		v.ask("POST", "/api/v1/orders", `{"customer":"ann","lines":[{"sku":"A","quantity":1},{"sku":"NOPE","quantity":1}]}`).
			refused(t, http.StatusUnprocessableEntity, "sku_unknown", "/lines/1/sku")
		v.ask("POST", "/api/v1/orders", `{"customer":`).refused(t, http.StatusBadRequest, "json_malformed", "")
		v.ask("POST", "/api/v1/orders", "x", "Content-Type", "text/plain").refused(t, http.StatusUnsupportedMediaType, "media_type_unsupported", "")
		v.ask("POST", "/api/v1/orders", `{"customer":"`+strings.Repeat("a", 1<<20)+`"}`).refused(t, http.StatusRequestEntityTooLarge, "body_too_large", "")
		v.ask("GET", "/api/v1/orders/nope", "").refused(t, http.StatusNotFound, "order_unknown", "")
		v.ask("GET", "/api/v1/skus/A%2FB", "").refused(t, http.StatusUnprocessableEntity, "request_invalid", "#/path/code")
		v.ask("GET", "/api/v1/products/A/", "").refused(t, http.StatusNotFound, "path_unknown", "")
		v.ask("GET", "/api/v1/nothing", "").refused(t, http.StatusNotFound, "path_unknown", "")
		for _, method := range []string{"DELETE", "BREW"} {
			a := v.ask(method, "/api/v1/orders", "")
			a.refused(t, http.StatusMethodNotAllowed, "method_not_allowed", "")
			if !strings.Contains(a.header.Get("Allow"), "POST") {
				t.Errorf("%s: Allow is %q", method, a.header.Get("Allow"))
			}
		}
	})
}

// A file goes through; one that is too long for what carries it is refused.
func TestImportThroughTheGateway(t *testing.T) {
	harness.Each(t, func(t *testing.T, inside *harness.Shop) {
		s := inside.Public(t)
		im := must[inventoryclient.Import](t)(s.Inventory.Upload(t.Context(), strings.NewReader("external_id,sku,quantity\nx1,A,5\nx2,A,many\n")))
		harness.Eventually(t, func(ctx context.Context) (err error) {
			if im, err = s.Inventory.Import(ctx, im.Id); err == nil && im.Status != inventoryclient.Done {
				err = errors.New("it is " + string(im.Status))
			}
			return err
		})
		if im.Total != 2 || im.Rejected != 1 {
			t.Errorf("the import is %+v", im)
		}
		if _, err := s.Inventory.CancelImport(t.Context(), im.Id); !fault.Is(err, fault.Conflict) {
			t.Errorf("cancelling what is done gives %v", err)
		}
		long := "external_id,sku,quantity,note\nx3,A,1," + strings.Repeat("n", 1<<20) + "\n"
		_, err := s.Inventory.Upload(t.Context(), strings.NewReader(long))
		tunnelled := !strings.HasPrefix(inside.URL("inventory"), "http")
		if tunnelled != fault.Is(err, fault.TooLarge) || !tunnelled && err != nil {
			t.Errorf("a file of more than 1 MiB gives %v", err)
		}
	})
}

// onRedis returns a configuration on embedded parts whose services call each other
// through Redis.
func onRedis(t *testing.T) app.Config {
	t.Helper()
	cfg := harness.Embedded(t)
	cfg.RedisURL, cfg.BusPrefix = parts.Redis(t), "t"+uuid.NewString()[:12]+"."
	return harness.Over(cfg, "redis:")
}

// everyPart asks the gateway for something of each service.
func (v visitor) everyPart() {
	v.t.Helper()
	for _, path := range []string{"/products", "/skus", "/orders", "/customers/ann/wishlist", "/stats/summary"} {
		if a := v.ask("GET", "/api/v1"+path, ""); a.status != http.StatusOK {
			v.t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// Heroku's small Redis has few connections; what waits for requests and replies
// must leave some for the requests.
func TestWorksWithFewRedisConnections(t *testing.T) {
	t.Parallel()
	cfg := onRedis(t)
	cfg.Dyno = "web.1"
	inside := harness.Start(t, cfg)
	v := visit(t, inside)
	offer(t, inside, "A", "1.00")
	receive(t, inside, "r", "A", 1)
	becomes(t, inside, place(t, inside, orderOf("ann", "A×1")).Id, salesclient.Confirmed)
	began := time.Now()
	for range 20 {
		v.everyPart()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("100 requests took %s", took)
	}
}

// However many services call each other, the shop stops in time.
func TestStopsSoonOverRedis(t *testing.T) {
	t.Parallel()
	inside, stop := harness.Run(t, onRedis(t))
	visit(t, inside).everyPart()
	offer(t, inside, "A", "1.00")
	receive(t, inside, "r", "A", 1)
	becomes(t, inside, place(t, inside, orderOf("ann", "A×1")).Id, salesclient.Confirmed)
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 6*time.Second { // each of a dozen clients waits for a second, all at once
		t.Errorf("stopped after %s", took)
	}
}
