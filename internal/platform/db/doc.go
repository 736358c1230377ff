// Package db opens a service's database, PostgreSQL or SQLite, so that the rest
// of the code need not know which, and migrates it.
package db
