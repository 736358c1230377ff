package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/auth"
	salesclient "quadrille/services/sales/client"
)

// OrderSource returns orders by ID. It omits unknown IDs.
type OrderSource interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
}

// orderGuard restricts customers to their own orders.
type orderGuard struct {
	sales  OrderSource
	owners *lru.Cache[string, string] // by order ID; the customer of an order never changes
}

func newOrderGuard(sales OrderSource) (*orderGuard, error) {
	const kept = 10_000
	owners, err := lru.New[string, string](kept)
	return &orderGuard{sales, owners}, err
}

// requireOwn restricts a customer to the customer's own orders. It responds to another
// customer's order like to one that does not exist.
func (o *orderGuard) requireOwn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a, err := resourceOf(c.Request())
		if err != nil {
			return err
		}
		id := a.at(1)
		switch {
		case id == "" && a.method == http.MethodPost:
			err = setCustomer(c)
		case id == "":
			err = restrictList(c)
		case restrictedToOwn(callerOf(c), rolesForAnyOrder(a)...):
			err = o.check(c, id)
		}
		if err != nil {
			return err
		}
		return next(c)
	}
}

// rolesForAnyOrder returns the roles that may make the request for any customer's order.
func rolesForAnyOrder(a resource) []auth.Role {
	switch {
	case a.isRead() || a.at(2) == "ship":
		return []auth.Role{auth.Warehouse, auth.Staff}
	default:
		return []auth.Role{auth.Staff}
	}
}

// restrictList restricts a list to the caller's orders.
func restrictList(c echo.Context) error {
	caller := callerOf(c)
	if !restrictedToOwn(caller, auth.Warehouse, auth.Staff) {
		return nil
	}
	query := c.Request().URL.Query()
	if named := query["customer"]; len(named) > 0 && (len(named) > 1 || named[0] != caller.Subject) {
		return fault.New(fault.Forbidden, "not_yours", "you may list only your own orders").With("#/query/customer", "must be absent or your own name")
	}
	query.Set("customer", caller.Subject)
	c.Request().URL.RawQuery = query.Encode()
	return nil
}

// check returns a fault (NotFound) if the order is another customer's or does not exist.
// Both give the same fault.
func (o *orderGuard) check(c echo.Context, id string) error {
	owner, err := o.owner(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if owner != callerOf(c).Subject {
		return fault.New(fault.NotFound, "order_unknown", "there is no order %s", id)
	}
	return nil
}

func (o *orderGuard) owner(ctx context.Context, id string) (string, error) {
	if owner, known := o.owners.Get(id); known {
		return owner, nil
	}
	const maxID = 64 // bytes; sales refuses longer IDs
	if len(id) > maxID {
		return "", nil
	}
	found, err := o.sales.Orders(ctx, []string{id})
	switch {
	case fault.Is(err, fault.Malformed, fault.Invalid, fault.NotFound, fault.Gone):
		return "", nil // no order has such an ID
	case err != nil && ctx.Err() == nil:
		return "", unavailable("sales", http.MethodGet, err)
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", nil
	}
	o.owners.Add(id, found[0].Customer)
	return found[0].Customer, nil
}

// setCustomer sets the customer of a new order to the caller. Staff must name a customer
// and may name anyone. A body that is not a JSON object is forwarded, because sales
// refuses it with a better error.
func setCustomer(c echo.Context) error {
	r, caller := c.Request(), callerOf(c)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) == nil && members != nil {
		if body, err = withCustomer(members, body, caller); err != nil {
			return err
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// withCustomer returns the body with a customer. It returns a fault: Invalid if the
// customer is required, Forbidden if it is not the caller.
func withCustomer(members map[string]json.RawMessage, body []byte, caller auth.Caller) ([]byte, error) {
	given, has := members["customer"]
	var customer string
	switch {
	case has && caller.Is(auth.Staff):
		return body, nil
	case !caller.Is(auth.Customer):
		return nil, fault.New(fault.Invalid, "customer_required", "the order must name its customer").With("/customer", "is missing")
	case !has:
		name, err := json.Marshal(caller.Subject)
		if err != nil {
			return nil, err
		}
		members["customer"] = name
		return json.Marshal(members)
	case json.Unmarshal(given, &customer) == nil && customer == caller.Subject:
		return body, nil
	default:
		return nil, fault.New(fault.Forbidden, "not_yours", "you may order only for yourself").With("/customer", "must be absent or your own name")
	}
}
