// Package harness runs the whole shop for a test, on free ports and with
// databases and exchanges of its own, over every set of parts that can be
// reached, and hands out the typed clients. Tests that use it see the shop from
// outside alone.
package harness
