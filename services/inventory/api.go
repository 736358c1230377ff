package inventory

import (
	"context"
	"fmt"
	"mime"
	"net/http"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/encoding"

	"quadrille/internal/csvfile"
	"quadrille/internal/platform/rest"
	"quadrille/services/inventory/api"
)

// handlers is the REST contract on top of the service.
type handlers struct{ service *Service }

func routes(e *echo.Echo, s *Service) {
	api.RegisterHandlers(e, api.NewStrictHandler(&handlers{service: s}, []api.StrictMiddlewareFunc{withCharset}))
}

// CreateReceipt handles POST /receipts.
func (h *handlers) CreateReceipt(ctx context.Context, r api.CreateReceiptRequestObject) (api.CreateReceiptResponseObject, error) {
	m, created, err := h.service.Move(ctx, Movement{Kind: Receipt, ExternalID: r.Body.ExternalId, SKU: r.Body.Sku, Quantity: r.Body.Quantity})
	if err != nil {
		return nil, err
	}
	receipt := api.Receipt{ExternalId: m.ExternalID, Sku: m.SKU, Quantity: m.Quantity, ReceivedAt: m.MovedAt}
	if created {
		return api.CreateReceipt201JSONResponse(receipt), nil
	}
	return api.CreateReceipt200JSONResponse(receipt), nil
}

// CreateAdjustment handles POST /adjustments.
func (h *handlers) CreateAdjustment(ctx context.Context, r api.CreateAdjustmentRequestObject) (api.CreateAdjustmentResponseObject, error) {
	m, created, err := h.service.Move(ctx, Movement{
		Kind: Adjustment, ExternalID: r.Body.ExternalId, SKU: r.Body.Sku, Quantity: r.Body.Delta, Reason: r.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	adjustment := api.Adjustment{ExternalId: m.ExternalID, Sku: m.SKU, Delta: m.Quantity, Reason: m.Reason, AdjustedAt: m.MovedAt}
	if created {
		return api.CreateAdjustment201JSONResponse(adjustment), nil
	}
	return api.CreateAdjustment200JSONResponse(adjustment), nil
}

// GetSku handles GET /skus/{code}.
func (h *handlers) GetSku(ctx context.Context, r api.GetSkuRequestObject) (api.GetSkuResponseObject, error) {
	sku, err := h.service.SKU(ctx, r.Code)
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(sku.Version)
	if rest.NotModified(r.Params.IfNoneMatch, sku.Version) {
		return api.GetSku304Response{Headers: api.GetSku304ResponseHeaders{ETag: &etag}}, nil
	}
	return api.GetSku200JSONResponse{Body: skuModel(sku), Headers: api.GetSku200ResponseHeaders{ETag: &etag}}, nil
}

// ListSkus handles GET /skus.
func (h *handlers) ListSkus(ctx context.Context, r api.ListSkusRequestObject) (api.ListSkusResponseObject, error) {
	page, err := rest.List[SKU, api.Sku]{
		Name: "skus", Key: func(s SKU) string { return s.Code }, Model: skuModel,
		Read: func(ctx context.Context, after string, limit int) ([]SKU, error) {
			return h.service.SKUs(ctx, rest.Values(r.Params.Code), after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListSkus200JSONResponse{
		Body:    api.SkuPage{Items: page.Items, Next: page.Next},
		Headers: api.ListSkus200ResponseHeaders{Link: page.Link},
	}, nil
}

// GetAllocation handles GET /allocations/{order}.
func (h *handlers) GetAllocation(ctx context.Context, r api.GetAllocationRequestObject) (api.GetAllocationResponseObject, error) {
	a, err := h.service.Allocation(ctx, r.Order)
	if err != nil {
		return nil, err
	}
	etag := rest.ETag(a.Version)
	if rest.NotModified(r.Params.IfNoneMatch, a.Version) {
		return api.GetAllocation304Response{Headers: api.GetAllocation304ResponseHeaders{ETag: &etag}}, nil
	}
	return api.GetAllocation200JSONResponse{Body: allocationModel(a), Headers: api.GetAllocation200ResponseHeaders{ETag: &etag}}, nil
}

// ListAllocations handles GET /allocations.
func (h *handlers) ListAllocations(ctx context.Context, r api.ListAllocationsRequestObject) (api.ListAllocationsResponseObject, error) {
	page, err := rest.List[Allocation, api.Allocation]{
		Name: "allocations", Key: func(a Allocation) string { return a.OrderID }, Model: allocationModel,
		Read: func(ctx context.Context, after string, limit int) ([]Allocation, error) {
			return h.service.Allocations(ctx, rest.Values(r.Params.Order), after, limit)
		},
	}.Page(ctx, r.Params.After, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	return api.ListAllocations200JSONResponse{
		Body:    api.AllocationPage{Items: page.Items, Next: page.Next},
		Headers: api.ListAllocations200ResponseHeaders{Link: page.Link},
	}, nil
}

// charsetKey marks in a context the character set that a request declares.
type charsetKey struct{}

// withCharset reads the character set that the Content-Type of an upload declares.
// One that is not supported is 415.
func withCharset(next api.StrictHandlerFunc, operation string) api.StrictHandlerFunc {
	if operation != "CreateImport" {
		return next
	}
	return func(c echo.Context, request any) (any, error) {
		r := c.Request()
		_, params, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
		if err != nil {
			return nil, echo.NewHTTPError(http.StatusUnsupportedMediaType, fmt.Sprintf("the Content-Type %.80q cannot be read: %v; text/csv or text/csv; charset=NAME is expected", r.Header.Get(echo.HeaderContentType), err))
		}
		charset, err := csvfile.Charset(params["charset"])
		if err != nil {
			return nil, echo.NewHTTPError(http.StatusUnsupportedMediaType, err.Error())
		}
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), charsetKey{}, charset)))
		return next(c, request)
	}
}

// CreateImport handles POST /imports.
func (h *handlers) CreateImport(ctx context.Context, r api.CreateImportRequestObject) (api.CreateImportResponseObject, error) {
	charset, _ := ctx.Value(charsetKey{}).(encoding.Encoding)
	im, err := h.service.Upload(ctx, r.Body, charset)
	if err != nil {
		return nil, err
	}
	location := "/imports/" + im.ID
	return api.CreateImport202JSONResponse{
		Body:    importModel(im, nil),
		Headers: api.CreateImport202ResponseHeaders{Location: &location},
	}, nil
}

// GetImport handles GET /imports/{id}.
func (h *handlers) GetImport(ctx context.Context, r api.GetImportRequestObject) (api.GetImportResponseObject, error) {
	im, refused, err := h.service.Import(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.GetImport200JSONResponse(importModel(im, refused)), nil
}

// CancelImport handles DELETE /imports/{id}.
func (h *handlers) CancelImport(ctx context.Context, r api.CancelImportRequestObject) (api.CancelImportResponseObject, error) {
	im, refused, err := h.service.CancelImport(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.CancelImport200JSONResponse(importModel(im, refused)), nil
}

func skuModel(s SKU) api.Sku {
	return api.Sku{
		Code: s.Code, OnHand: s.OnHand, Reserved: s.Reserved, Available: s.Available(),
		Received: s.Received, Adjusted: s.Adjusted, Shipped: s.Shipped, Version: s.Version, UpdatedAt: s.UpdatedAt,
	}
}

func allocationModel(a Allocation) api.Allocation {
	return api.Allocation{
		Order: a.OrderID, Status: api.AllocationStatus(a.Status), Version: a.Version, UpdatedAt: a.UpdatedAt,
		Lines: rest.Map(a.Lines, func(l Line) api.AllocationLine {
			return api.AllocationLine{Sku: l.SKU, Quantity: l.Quantity, Short: rest.NonZero(l.Short)}
		}),
	}
}

func importModel(im Import, refused []ImportError) api.Import {
	return api.Import{
		Id: im.ID, Status: api.ImportStatus(im.Status), Total: im.Total, Processed: im.Processed, Rejected: im.Rejected,
		Errors:         rest.Map(refused, func(e ImportError) api.ImportError { return api.ImportError{Line: e.Line, Detail: e.Detail} }),
		IgnoredColumns: im.ignored(), Reason: rest.NonEmpty(im.Reason),
		CreatedAt: im.CreatedAt, FinishedAt: im.FinishedAt,
	}
}

var _ api.StrictServerInterface = (*handlers)(nil)
