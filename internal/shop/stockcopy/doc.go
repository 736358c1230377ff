// Package stockcopy is a service's own copy of what inventory can promise: how
// much of each SKU. It follows inventory's sku_processed events and tells the
// service what changed, inside the transaction in which it did.
//
// The copy is a table "stock" in the service's own database, kept by SKU with
// inventory's version; an older version never overwrites a newer one.
package stockcopy
