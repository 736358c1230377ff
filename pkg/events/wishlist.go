package events

// Events that wishlist publishes.
const (
	// WishlistItemWished: a customer put a SKU on the list. Subject: customer/SKU.
	WishlistItemWished = "wishlist.item_wished"
	// WishlistItemAvailable: a wished SKU went from unavailable to available. Subject: customer/SKU.
	WishlistItemAvailable = "wishlist.item_available"
)

// ItemWished returns the event for a wish that is now at version.
func ItemWished(customer, sku string, version int64) Event {
	return New(WishlistItemWished, customer+"/"+sku, version, href("customers", customer, "wishlist", sku))
}

// ItemAvailable returns the event for a wish that can be fulfilled now.
func ItemAvailable(customer, sku string, version int64) Event {
	return New(WishlistItemAvailable, customer+"/"+sku, version, href("customers", customer, "wishlist", sku))
}
