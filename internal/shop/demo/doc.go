// Package demo makes an empty shop look alive: it fills it with a small assortment
// of invented goods, and has invented customers order, wish and wait for them, a
// little at a time.
package demo
