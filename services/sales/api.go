package sales

import (
	"context"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/money"
	"quadrille/services/sales/api"
)

// handlers implements the REST API on top of the service.
type handlers struct{ service *Service }

func routes(e *echo.Echo, s *Service) {
	api.RegisterHandlers(e, api.NewStrictHandler(&handlers{service: s}, nil))
}

// PlaceOrder handles POST /orders.
func (h *handlers) PlaceOrder(ctx context.Context, r api.PlaceOrderRequestObject) (api.PlaceOrderResponseObject, error) {
	d := Draft{Customer: r.Body.Customer, ExternalID: r.Body.ExternalId}
	for _, l := range r.Body.Lines {
		d.Lines = append(d.Lines, DraftLine{SKU: l.Sku, Quantity: l.Quantity})
	}
	o, replayed, err := h.service.Place(ctx, r.Params.IdempotencyKey, d)
	if err != nil {
		return nil, err
	}
	etag, location := rest.ETag(o.Version), "/orders/"+o.ID
	headers := api.PlaceOrder201ResponseHeaders{ETag: &etag, Location: &location}
	if replayed {
		yes := "true"
		headers.IdempotencyReplayed = &yes
	}
	return api.PlaceOrder201JSONResponse{Body: orderModel(o), Headers: headers}, nil
}

// GetOrder handles GET /orders/{id}.
func (h *handlers) GetOrder(ctx context.Context, r api.GetOrderRequestObject) (api.GetOrderResponseObject, error) {
	o, err := h.service.Order(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(o.Version)
	if rest.NotModified(r.Params.IfNoneMatch, o.Version) {
		return api.GetOrder304Response{Headers: api.GetOrder304ResponseHeaders{ETag: &etag}}, nil
	}
	return api.GetOrder200JSONResponse{Body: orderModel(o), Headers: api.GetOrder200ResponseHeaders{ETag: &etag}}, nil
}

// ListOrders handles GET /orders.
func (h *handlers) ListOrders(ctx context.Context, r api.ListOrdersRequestObject) (api.ListOrdersResponseObject, error) {
	q := Query{
		IDs: rest.Values(r.Params.Id), Customer: rest.Value(r.Params.Customer), ExternalID: rest.Value(r.Params.ExternalId),
		Newest: r.Params.Sort != nil && *r.Params.Sort == api.MinusId, Overdue: r.Params.Overdue,
	}
	if r.Params.Status != nil {
		q.Status = string(*r.Params.Status)
	}
	name := "orders"
	if q.Newest {
		name = "orders, newest first"
	}
	page, err := rest.List[Order, api.Order]{
		Name: name, Key: func(o Order) string { return o.ID }, Model: orderModel,
		Read: func(ctx context.Context, after string, limit int) ([]Order, error) {
			return h.service.Orders(ctx, q, after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListOrders200JSONResponse{
		Body:    api.OrderPage{Items: page.Items, Next: page.Next},
		Headers: api.ListOrders200ResponseHeaders{Link: page.Link},
	}, nil
}

// CancelOrder handles POST /orders/{id}/cancel.
func (h *handlers) CancelOrder(ctx context.Context, r api.CancelOrderRequestObject) (api.CancelOrderResponseObject, error) {
	o, err := h.service.Cancel(ctx, r.Id, rest.IfMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(o.Version)
	return api.CancelOrder200JSONResponse{Body: orderModel(o), Headers: api.CancelOrder200ResponseHeaders{ETag: &etag}}, nil
}

// ShipOrder handles POST /orders/{id}/ship.
func (h *handlers) ShipOrder(ctx context.Context, r api.ShipOrderRequestObject) (api.ShipOrderResponseObject, error) {
	o, err := h.service.Ship(ctx, r.Id, rest.IfMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(o.Version)
	return api.ShipOrder200JSONResponse{Body: orderModel(o), Headers: api.ShipOrder200ResponseHeaders{ETag: &etag}}, nil
}

// ListPrices handles GET /prices.
func (h *handlers) ListPrices(ctx context.Context, r api.ListPricesRequestObject) (api.ListPricesResponseObject, error) {
	page, err := rest.List[Price, api.Price]{
		Name: "prices", Key: func(p Price) string { return p.SKU }, Model: priceModel,
		Read: func(ctx context.Context, after string, limit int) ([]Price, error) {
			return h.service.Prices(ctx, rest.Values(r.Params.Sku), after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListPrices200JSONResponse{
		Body:    api.PricePage{Items: page.Items, Next: page.Next},
		Headers: api.ListPrices200ResponseHeaders{Link: page.Link},
	}, nil
}

func moneyModel(minor int64, currency string) api.Money {
	return api.Money{Amount: money.Money{Minor: minor, Currency: currency}.Amount(), Currency: currency}
}

func orderModel(o Order) api.Order {
	return api.Order{
		Id: o.ID, ExternalId: o.ExternalID, Customer: o.Customer, Status: api.OrderStatus(o.Status), Reason: o.Reason, OverdueAt: o.OverdueAt,
		Total: moneyModel(o.TotalMinor, o.Currency), Version: o.Version, PlacedAt: o.PlacedAt, UpdatedAt: o.UpdatedAt,
		Lines: rest.Map(o.Lines, func(l Line) api.OrderLine {
			return api.OrderLine{
				Sku: l.SKU, Quantity: l.Quantity, Title: l.Title,
				Price: moneyModel(l.PriceMinor, o.Currency), Short: rest.NonZero(l.Short),
			}
		}),
	}
}

func priceModel(p Price) api.Price {
	return api.Price{
		Sku: p.SKU, Title: p.Title, Price: moneyModel(p.PriceMinor, p.Currency), Version: p.Version, Withdrawn: p.Withdrawn,
	}
}
