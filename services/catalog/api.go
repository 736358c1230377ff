package catalog

import (
	"context"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/internal/shop/stockcopy"
	"quadrille/pkg/fault"
	"quadrille/pkg/money"
	"quadrille/services/catalog/api"
)

// handlers implements the REST API on top of the service.
type handlers struct{ service *Service }

func routes(e *echo.Echo, s *Service) {
	api.RegisterHandlers(e, api.NewStrictHandler(&handlers{service: s}, nil))
}

// PutProduct handles PUT /products/{sku}.
func (h *handlers) PutProduct(ctx context.Context, r api.PutProductRequestObject) (api.PutProductResponseObject, error) {
	price, err := money.Parse(r.Body.Price.Amount, r.Body.Price.Currency)
	if err != nil {
		return nil, fault.New(fault.Invalid, "price_invalid", "%v", err).With("/price", "%v", err)
	}
	t := Terms{Title: r.Body.Title, Price: price}
	if r.Body.Description != nil {
		t.Description = *r.Body.Description
	}
	p, created, err := h.service.Put(ctx, r.Sku, t, rest.IfMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(p.Version)
	if created {
		return api.PutProduct201JSONResponse{Body: productModel(p), Headers: api.PutProduct201ResponseHeaders{ETag: &etag}}, nil
	}
	return api.PutProduct200JSONResponse{Body: productModel(p), Headers: api.PutProduct200ResponseHeaders{ETag: &etag}}, nil
}

// GetProduct handles GET /products/{sku}.
func (h *handlers) GetProduct(ctx context.Context, r api.GetProductRequestObject) (api.GetProductResponseObject, error) {
	p, err := h.service.Product(ctx, r.Sku)
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(p.Version)
	if rest.NotModified(r.Params.IfNoneMatch, p.Version) {
		return api.GetProduct304Response{Headers: api.GetProduct304ResponseHeaders{ETag: &etag}}, nil
	}
	return api.GetProduct200JSONResponse{Body: productModel(p), Headers: api.GetProduct200ResponseHeaders{ETag: &etag}}, nil
}

// DeleteProduct handles DELETE /products/{sku}.
func (h *handlers) DeleteProduct(ctx context.Context, r api.DeleteProductRequestObject) (api.DeleteProductResponseObject, error) {
	if err := h.service.Withdraw(ctx, r.Sku, rest.IfMatch(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return api.DeleteProduct204Response{}, nil
}

// ListProducts handles GET /products.
func (h *handlers) ListProducts(ctx context.Context, r api.ListProductsRequestObject) (api.ListProductsResponseObject, error) {
	q := Query{Text: rest.Value(r.Params.Q), Available: r.Params.Available, SKUs: rest.Values(r.Params.Sku)}
	page, err := rest.List[Product, api.Product]{
		Name: "products", Key: func(p Product) string { return p.SKU }, Model: productModel,
		Read: func(ctx context.Context, after string, limit int) ([]Product, error) {
			return h.service.Products(ctx, q, after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListProducts200JSONResponse{
		Body:    api.ProductPage{Items: page.Items, Next: page.Next},
		Headers: api.ListProducts200ResponseHeaders{Link: page.Link},
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

func productModel(p Product) api.Product {
	return api.Product{
		Sku: p.SKU, Title: p.Title, Description: p.Description,
		Price:     api.Money{Amount: p.Price().Amount(), Currency: p.Currency},
		Available: p.Quantity > 0, Quantity: p.Quantity, Version: p.Version, UpdatedAt: p.UpdatedAt,
	}
}

func stockModel(c stockcopy.Copy) api.Stock {
	return api.Stock{Sku: c.SKU, Quantity: c.Quantity, Version: c.Version}
}
