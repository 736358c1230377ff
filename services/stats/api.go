package stats

import (
	"context"
	"maps"
	"slices"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/money"
	"quadrille/services/stats/api"
)

// handlers implements the REST API on top of the service.
type handlers struct{ service *Service }

func routes(e *echo.Echo, s *Service) {
	api.RegisterHandlers(e, api.NewStrictHandler(&handlers{service: s}, nil))
}

// GetSummary handles GET /sales/summary.
func (h *handlers) GetSummary(ctx context.Context, _ api.GetSummaryRequestObject) (api.GetSummaryResponseObject, error) {
	s, err := h.service.Summary(ctx)
	if err != nil {
		return nil, err
	}
	all := revenues(s.Revenue)
	return api.GetSummary200JSONResponse{
		Orders: s.Orders, Confirmed: s.Status[Confirmed], Rejected: s.Status[Rejected],
		Cancelled: s.Status[Cancelled], Shipped: s.Status[Shipped], Units: s.Units,
		Revenue: largest(s.Revenue), Revenues: all,
	}, nil
}

// GetDaily handles GET /sales/daily.
func (h *handlers) GetDaily(ctx context.Context, r api.GetDailyRequestObject) (api.GetDailyResponseObject, error) {
	rows, err := h.service.Daily(ctx, rest.Value(r.Params.From), rest.Value(r.Params.To))
	if err != nil {
		return nil, err
	}
	return api.GetDaily200JSONResponse{Items: rest.Map(rows, func(d Daily) api.Daily {
		return api.Daily{Day: d.Day, Orders: d.Orders, Units: d.Units, Revenue: moneyModel(d.Currency, d.Minor)}
	})}, nil
}

// defaultTop is the number of SKUs that GET /sales/top returns without a limit.
const defaultTop = 10

// GetTop handles GET /sales/top.
func (h *handlers) GetTop(ctx context.Context, r api.GetTopRequestObject) (api.GetTopResponseObject, error) {
	limit := defaultTop
	if r.Params.Limit != nil {
		limit = *r.Params.Limit
	}
	rows, err := h.service.Top(ctx, limit)
	if err != nil {
		return nil, err
	}
	return api.GetTop200JSONResponse{Items: rest.Map(rows, func(t Top) api.Top {
		return api.Top{Sku: t.SKU, Title: t.Title, Units: t.Units, Revenue: moneyModel(t.Currency, t.Minor)}
	})}, nil
}

// ListOrders handles GET /orders.
func (h *handlers) ListOrders(ctx context.Context, r api.ListOrdersRequestObject) (api.ListOrdersResponseObject, error) {
	page, err := rest.List[Order, api.Order]{
		Name: "orders", Key: func(o Order) string { return o.ID }, Model: orderModel,
		Read: h.service.Orders,
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListOrders200JSONResponse{
		Body:    api.OrderPage{Items: page.Items, Next: page.Next},
		Headers: api.ListOrders200ResponseHeaders{Link: page.Link},
	}, nil
}

func moneyModel(currency string, minor int64) api.Money {
	return api.Money{Amount: money.Money{Minor: minor, Currency: currency}.Amount(), Currency: currency}
}

func revenues(r Revenue) []api.Money {
	all := make([]api.Money, 0, len(r))
	for _, currency := range slices.Sorted(maps.Keys(r)) {
		all = append(all, moneyModel(currency, r[currency]))
	}
	return all
}

// largest returns the revenue of the currency with the most minor units. On a tie it prefers
// GBP, then the first by name. A shop with a single currency needs only this field.
func largest(r Revenue) api.Money {
	main := "GBP"
	for _, currency := range slices.Sorted(maps.Keys(r)) {
		if _, known := r[main]; !known || r[currency] > r[main] {
			main = currency
		}
	}
	return moneyModel(main, r[main])
}

func orderModel(o Order) api.Order {
	return api.Order{
		Id: o.ID, Status: o.Status, Units: o.Units, Total: moneyModel(o.Currency, o.TotalMinor),
		PlacedAt: o.PlacedAt.UTC(), Version: o.Version,
	}
}
