package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness"
	"quadrille/test/harness/binary"
)

// shop is a running shop and the token of a user with all roles.
type shop struct {
	*binary.Machine

	t       testing.TB
	token   string
	planted int // number of dead letters inserted by addLetter
}

// up starts the whole shop as one process with "quadrille up".
func up(t testing.TB, args ...string) *shop {
	t.Helper()
	return upWith(t, nil, args...)
}

// upWith does the same as up, with additional environment variables.
func upWith(t testing.TB, env []string, args ...string) *shop {
	t.Helper()
	s := &shop{Machine: binary.New(t, append([]string{"RATE_LIMIT_ADDRESS=off", "RATE_LIMIT_CALLER=off"}, env...)...), t: t}
	s.Start(nil, append([]string{"up"}, args...)...)
	s.ready(slices.Concat(services.Names(), []string{app.Gateway})...)
	s.token = s.signedIn("stella", "customer", "warehouse", "staff")
	return s
}

// ready waits until the services are ready.
func (s *shop) ready(services ...string) {
	s.t.Helper()
	for _, service := range services {
		harness.Eventually(s.t, func(ctx context.Context) error { return s.Ready(ctx, service) })
	}
}

// base returns the base URL of the pages.
func (s *shop) base() string { return s.URL(app.Gateway) }

func (s *shop) signedIn(subject string, roles ...string) string {
	s.t.Helper()
	var answer struct{ Token string }
	body := s.ask("POST", "/dev/token", map[string]any{"subject": subject, "roles": roles}, http.StatusOK)
	if err := json.Unmarshal(body, &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Token
}

// ask sends a request to the gateway and returns the body of the response. It fails the
// test unless the response has this status.
func (s *shop) ask(method, path string, body any, status int) []byte {
	s.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base()+path, bytes.NewReader(sent))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		s.t.Fatalf("%s %s: %d, want %d: %s (%v)", method, path, answer.StatusCode, status, got, err)
	}
	return got
}

// offer adds a product, receives this quantity of it, and waits until the shop shows the
// stock.
func (s *shop) offer(sku, title string, quantity int) {
	s.t.Helper()
	s.ask("PUT", "/api/v1/products/"+sku, map[string]any{
		"title": title, "description": "Made by hand.", "price": map[string]string{"amount": "2.55", "currency": "GBP"},
	}, http.StatusCreated)
	if quantity == 0 {
		return
	}
	s.receive("opening "+sku, sku, quantity)
	harness.Eventually(s.t, func(context.Context) error {
		var p struct{ Quantity int }
		if err := json.Unmarshal(s.ask("GET", "/api/v1/products/"+sku, nil, http.StatusOK), &p); err != nil || p.Quantity != quantity {
			return fmt.Errorf("the shop shows %d of %s, want %d: %w", p.Quantity, sku, quantity, err)
		}
		return nil
	})
}

// receive records a receipt.
func (s *shop) receive(id, sku string, quantity int) {
	s.t.Helper()
	s.ask("POST", "/api/v1/receipts", map[string]any{"external_id": id, "sku": sku, "quantity": quantity}, http.StatusCreated)
}
