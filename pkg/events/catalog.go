package events

// Events that catalog publishes.
const (
	// CatalogProductChanged: a product's text, price or availability changed. Subject: its SKU.
	CatalogProductChanged = "catalog.product_changed"
	// CatalogProductWithdrawn: a product is no longer offered. Subject: its SKU.
	CatalogProductWithdrawn = "catalog.product_withdrawn"
)

// ProductChanged returns the event for a product that is now at version.
func ProductChanged(sku string, version int64) Event {
	return New(CatalogProductChanged, sku, version, href("products", sku))
}

// ProductWithdrawn returns the event for a product withdrawn at version.
func ProductWithdrawn(sku string, version int64) Event {
	return New(CatalogProductWithdrawn, sku, version, href("products", sku))
}
