package stocktest

import (
	"pgregory.net/rapid"

	"quadrille/pkg/events"
)

// History draws a history of changes of the SKUs codes. It returns the final inventory and
// the events of the changes, in order.
func History(t *rapid.T, codes ...string) (inventory Inventory, published []events.Event) {
	inventory = Inventory{}
	for range rapid.IntRange(1, 30).Draw(t, "changes") {
		code := rapid.SampledFrom(codes).Draw(t, "sku")
		published = append(published, inventory.Set(code, rapid.Int64Range(0, 3).Draw(t, "available")))
	}
	return inventory, published
}

// Shuffled draws a permutation of a history, with duplicates, in batches of random size.
func Shuffled(t *rapid.T, history []events.Event) (batches [][]events.Event) {
	published := append([]events.Event(nil), history...)
	for range rapid.IntRange(0, 10).Draw(t, "twice") {
		published = append(published, rapid.SampledFrom(history).Draw(t, "again"))
	}
	published = rapid.Permutation(published).Draw(t, "order")
	for len(published) > 0 {
		n := rapid.IntRange(1, len(published)).Draw(t, "batch")
		batches, published = append(batches, published[:n]), published[n:]
	}
	return batches
}
