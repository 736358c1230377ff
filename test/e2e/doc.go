// Package e2e sees the shop from outside alone: through its REST APIs, on every
// set of parts that can be reached, and as the binary that people run.
package e2e
