package stocktest

import (
	"pgregory.net/rapid"

	"quadrille/pkg/events"
)

// History draws an inventory at the end of a history of the SKUs named, and the
// events that told of it, in order.
func History(t *rapid.T, codes ...string) (inventory Inventory, told []events.Event) {
	inventory = Inventory{}
	for range rapid.IntRange(1, 30).Draw(t, "changes") {
		code := rapid.SampledFrom(codes).Draw(t, "sku")
		told = append(told, inventory.Set(code, rapid.Int64Range(0, 3).Draw(t, "available")))
	}
	return inventory, told
}

// Shuffled draws a permutation of a history, with any duplicates and batches.
func Shuffled(t *rapid.T, history []events.Event) (batches [][]events.Event) {
	told := append([]events.Event(nil), history...)
	for range rapid.IntRange(0, 10).Draw(t, "twice") {
		told = append(told, rapid.SampledFrom(history).Draw(t, "again"))
	}
	told = rapid.Permutation(told).Draw(t, "order")
	for len(told) > 0 {
		n := rapid.IntRange(1, len(told)).Draw(t, "batch")
		batches, told = append(batches, told[:n]), told[n:]
	}
	return batches
}
