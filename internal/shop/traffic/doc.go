// Package traffic drives a shop over REST with real orders: a file of invoices in
// the format of the Online Retail data set becomes products, opening stock,
// orders and returns.
package traffic
