// Package traffic sends real orders to a shop over REST. It turns a file of invoices in the
// format of the Online Retail data set into products, opening stock, orders and returns.
package traffic
