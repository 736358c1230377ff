// Package chaos causes faults in a running shop while orders come in, and counts the
// orders: each accepted order exists once, in one final state, in every service. The shop
// consists of separate processes on servers of its own. docs/reliability.md has the table
// of a run with 200 faults.
package chaos
