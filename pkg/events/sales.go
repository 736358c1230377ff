package events

// Events that sales publishes. Their subject is the order's ID.
const (
	// SalesOrderPlaced: a customer placed an order, whose stock is not reserved yet.
	SalesOrderPlaced = "sales.order_placed"
	// SalesOrderConfirmed: the order's stock is reserved.
	SalesOrderConfirmed = "sales.order_confirmed"
	// SalesOrderRejected: there was not enough stock for the order.
	SalesOrderRejected = "sales.order_rejected"
	// SalesOrderCancelled: the order was cancelled.
	SalesOrderCancelled = "sales.order_cancelled"
	// SalesOrderShipped: the order was shipped.
	SalesOrderShipped = "sales.order_shipped"
	// SalesOrderOverdue: the order has been confirmed for too long without being shipped. It
	// happens once per order, and the order stays confirmed.
	SalesOrderOverdue = "sales.order_overdue"
)

// OrderChanged returns the event typ, one of the Sales constants, for an order that
// is now at version.
func OrderChanged(typ, order string, version int64) Event {
	return New(typ, order, version, href("orders", order))
}
