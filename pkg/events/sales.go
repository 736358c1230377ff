package events

// What sales says. The subject of each is the order's ID.
const (
	// SalesOrderPlaced: a customer placed an order; it waits for its stock.
	SalesOrderPlaced = "sales.order_placed"
	// SalesOrderConfirmed: the order's stock is reserved.
	SalesOrderConfirmed = "sales.order_confirmed"
	// SalesOrderRejected: the order was short of stock.
	SalesOrderRejected = "sales.order_rejected"
	// SalesOrderCancelled: the order was cancelled.
	SalesOrderCancelled = "sales.order_cancelled"
	// SalesOrderShipped: the order left the house.
	SalesOrderShipped = "sales.order_shipped"
)

// OrderChanged returns the event typ, one of the Sales constants, for an order that
// is now at version.
func OrderChanged(typ, order string, version int64) Event {
	return New(typ, order, version, href("orders", order))
}
