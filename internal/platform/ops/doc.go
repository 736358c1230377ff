// Package ops has the operations endpoints that every service offers: health, metrics, the
// event feed, the progress of its readers, dead letters, refused events, replay and rebuild.
// Server serves them, Client calls them, and Stopped does the same with the database of a
// service that is not running. All three use the same types; ops.yaml is the contract.
package ops
