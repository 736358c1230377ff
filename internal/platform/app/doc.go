// Package app is what every process of Quadrille does alike: it reads the
// configuration from the environment, opens databases and the log, runs
// services with their relays and consumers, serves health and metrics, and stops
// in order.
package app
