// Package app is the runtime of the services. It reads the configuration from the environment,
// opens the databases and the log, runs services with their relays and consumers, serves
// health and metrics, and stops everything in order.
package app
