package chaos_test

import (
	"net/http"
	"testing"
	"time"

	"quadrille/test/harness/customers"
)

// newCustomers returns customers of a shop that it fills with goods.
func newCustomers(t *testing.T, s *shop) *customers.Customers {
	t.Helper()
	c := customers.New(t, customers.Config{
		URL: s.machine.URL, HTTP: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		Plenty: 15, Scarce: 5, ScarceQuantity: 200,
		Buyers: 50, MaxLines: 4, MaxQuantity: 3, Pause: 50 * time.Millisecond, Timeout: 3 * time.Minute,
	})
	c.Fill(t)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
