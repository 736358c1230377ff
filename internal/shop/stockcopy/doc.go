// Package stockcopy keeps a service's own copy of the quantity of each SKU that inventory can
// still reserve. It consumes inventory's sku_processed events and calls the service with the
// changes, inside the transaction that writes them.
//
// The copies are rows of the table "stock" in the service's database, one for each SKU, with
// inventory's version. An older version never overwrites a newer one.
package stockcopy
