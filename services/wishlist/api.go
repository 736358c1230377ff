package wishlist

import (
	"context"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/internal/shop/stockcopy"
	"quadrille/services/wishlist/api"
)

// handlers implements the REST API on top of the service.
type handlers struct{ service *Service }

func routes(e *echo.Echo, s *Service) {
	api.RegisterHandlers(e, api.NewStrictHandler(&handlers{service: s}, nil))
}

// PutWish handles PUT /customers/{customer}/wishlist/{sku}.
func (h *handlers) PutWish(ctx context.Context, r api.PutWishRequestObject) (api.PutWishResponseObject, error) {
	item, created, err := h.service.Wish(ctx, r.Customer, r.Sku)
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(item.Version)
	if created {
		return api.PutWish201JSONResponse{Body: itemModel(item), Headers: api.PutWish201ResponseHeaders{ETag: &etag}}, nil
	}
	return api.PutWish200JSONResponse{Body: itemModel(item), Headers: api.PutWish200ResponseHeaders{ETag: &etag}}, nil
}

// GetWish handles GET /customers/{customer}/wishlist/{sku}.
func (h *handlers) GetWish(ctx context.Context, r api.GetWishRequestObject) (api.GetWishResponseObject, error) {
	item, err := h.service.Item(ctx, r.Customer, r.Sku)
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(item.Version)
	if rest.NotModified(r.Params.IfNoneMatch, item.Version) {
		return api.GetWish304Response{Headers: api.GetWish304ResponseHeaders{ETag: &etag}}, nil
	}
	return api.GetWish200JSONResponse{Body: itemModel(item), Headers: api.GetWish200ResponseHeaders{ETag: &etag}}, nil
}

// DeleteWish handles DELETE /customers/{customer}/wishlist/{sku}.
func (h *handlers) DeleteWish(ctx context.Context, r api.DeleteWishRequestObject) (api.DeleteWishResponseObject, error) {
	if err := h.service.Remove(ctx, r.Customer, r.Sku); err != nil {
		return nil, err
	}
	return api.DeleteWish204Response{}, nil
}

// ListWishes handles GET /customers/{customer}/wishlist.
func (h *handlers) ListWishes(ctx context.Context, r api.ListWishesRequestObject) (api.ListWishesResponseObject, error) {
	page, err := rest.List[Item, api.Item]{
		Name: "wishes", Key: func(i Item) string { return i.SKU }, Model: itemModel,
		Read: func(ctx context.Context, after string, limit int) ([]Item, error) {
			return h.service.Items(ctx, r.Customer, after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListWishes200JSONResponse{
		Body:    api.ItemPage{Items: page.Items, Next: page.Next},
		Headers: api.ListWishes200ResponseHeaders{Link: page.Link},
	}, nil
}

// ListStock handles GET /stock.
func (h *handlers) ListStock(ctx context.Context, r api.ListStockRequestObject) (api.ListStockResponseObject, error) {
	page, err := rest.List[stockcopy.Copy, api.Stock]{
		Name: "stock", Key: func(c stockcopy.Copy) string { return c.SKU }, Model: stockModel,
		Read: func(ctx context.Context, after string, limit int) ([]stockcopy.Copy, error) {
			return h.service.Stock(ctx, rest.Values(r.Params.Sku), after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListStock200JSONResponse{
		Body:    api.StockPage{Items: page.Items, Next: page.Next},
		Headers: api.ListStock200ResponseHeaders{Link: page.Link},
	}, nil
}

func itemModel(i Item) api.Item {
	return api.Item{
		Customer: i.Customer, Sku: i.SKU, Available: i.Available,
		WishedAt: i.WishedAt, NotifiedAt: i.NotifiedAt, Version: i.Version,
	}
}

func stockModel(c stockcopy.Copy) api.Stock {
	return api.Stock{Sku: c.SKU, Quantity: c.Quantity, Version: c.Version}
}
