package events

// Events that inventory publishes.
const (
	// InventorySkuProcessed: the stock of a SKU changed. Subject: the SKU code.
	InventorySkuProcessed = "inventory.sku_processed"
	// InventoryOrderAllocated: every line of an order is reserved. Subject: the order's ID.
	InventoryOrderAllocated = "inventory.order_allocated"
	// InventoryOrderRejected: at least one line is out of stock, nothing is reserved. Subject: the order's ID.
	InventoryOrderRejected = "inventory.order_rejected"
)

// SkuProcessed returns the event for a SKU whose stock is now at version.
func SkuProcessed(code string, version int64) Event {
	return New(InventorySkuProcessed, code, version, href("skus", code))
}

// OrderAllocated returns the event for an order whose allocation is now at version.
func OrderAllocated(order string, version int64) Event {
	return New(InventoryOrderAllocated, order, version, href("allocations", order))
}

// OrderShort returns the event for an order that inventory could not allocate.
func OrderShort(order string, version int64) Event {
	return New(InventoryOrderRejected, order, version, href("allocations", order))
}
