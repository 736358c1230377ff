// Package demo fills an empty shop with a small assortment of invented products and then
// generates light traffic: invented customers place orders and wishes, orders are shipped or
// cancelled, and stock is received.
package demo
