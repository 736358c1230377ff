package activity

import (
	"testing"

	"quadrille/pkg/events"
)

// activitiesOfAllKinds returns an activity of each kind, by a short name. Orders and
// wishes are ann's.
func activitiesOfAllKinds() map[string]Activity {
	activities := map[string]Activity{
		"sku":       newActivity(events.SkuProcessed("A", 1)),
		"product":   newActivity(events.ProductChanged("A", 1)),
		"withdrawn": newActivity(events.ProductWithdrawn("A", 1)),
		"wish":      newActivity(events.ItemWished("ann", "A", 1)),
		"available": newActivity(events.ItemAvailable("ann", "A", 1)),
		"orphan":    newActivity(events.OrderChanged(events.SalesOrderPlaced, "o2", 1)),
		"new":       newActivity(events.New("mailer.mail_sent", "ann", 1, "/mails/1")),
	}
	for name, e := range map[string]events.Event{
		"placed":    events.OrderChanged(events.SalesOrderPlaced, "o1", 1),
		"shipped":   events.OrderChanged(events.SalesOrderShipped, "o1", 4),
		"overdue":   events.OrderChanged(events.SalesOrderOverdue, "o1", 3),
		"allocated": events.OrderAllocated("o1", 1),
		"short":     events.OrderShort("o1", 1),
	} {
		n := newActivity(e)
		n.Customer = "ann"
		activities[name] = n
	}
	return activities
}

func TestLimitsActivitiesToRoles(t *testing.T) {
	t.Parallel()
	public := []string{"product", "withdrawn"}
	anns := append([]string{"placed", "shipped", "overdue", "allocated", "short", "wish", "available"}, public...)
	house := append([]string{"placed", "shipped", "overdue", "allocated", "short", "orphan", "sku"}, public...)
	all := append([]string{"wish", "available", "new"}, house...)
	for name, tc := range map[string]struct {
		caller Caller
		want   []string
	}{
		"nobody":                     {Caller{}, public},
		"nobody with a role":         {Caller{Roles: []string{"staff", "warehouse", "customer"}}, public},
		"ann":                        {Caller{Subject: "ann", Roles: []string{"customer"}}, anns},
		"ann without a role":         {Caller{Subject: "ann"}, public},
		"bob":                        {Caller{Subject: "bob", Roles: []string{"customer"}}, public},
		"a key of the warehouse":     {Caller{Subject: "scanner", Roles: []string{"warehouse"}}, house},
		"a key called ann":           {Caller{Subject: "ann", Roles: []string{"warehouse"}}, house},
		"ann works in the warehouse": {Caller{Subject: "ann", Roles: []string{"customer", "warehouse"}}, append([]string{"wish", "available"}, house...)},
		"staff":                      {Caller{Subject: "eve", Roles: []string{"staff"}}, all},
		"a role that there is not":   {Caller{Subject: "eve", Roles: []string{"STAFF", "root"}}, public},
	} {
		want := map[string]bool{}
		for _, n := range tc.want {
			want[n] = true
		}
		for kind, n := range activitiesOfAllKinds() {
			if got := tc.caller.maySee(&n); got != want[kind] {
				t.Errorf("%s sees %s: %t", name, kind, got)
			}
		}
	}
}

func TestHrefOfSubject(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"sku": "/api/v1/skus/A", "product": "/api/v1/products/A", "withdrawn": "/api/v1/products/A",
		"wish": "/api/v1/customers/ann/wishlist/A", "placed": "/api/v1/orders/o1", "short": "/api/v1/orders/o1",
	} {
		n := activitiesOfAllKinds()[kind]
		if got := n.href(); got != want {
			t.Errorf("%s is shown at %s", kind, got)
		}
	}
	odd := newActivity(events.ItemWished("a@b", "85.1", 1))
	if odd.Customer != "a@b" || odd.href() != "/api/v1/customers/a@b/wishlist/85.1" {
		t.Errorf("recorded %+v, at %s", odd, odd.href())
	}
	if none := (Activity{Stream: "wishlist", Subject: "A"}); none.href() == "" || newActivity(events.New("wishlist.odd", "A", 1, "")).Customer != "" {
		t.Error("a wish without a customer is somebody's")
	}
}
