package bus

import (
	"slices"

	"quadrille/pkg/events"
)

// Newest is, by subject, the event of the batch with the highest version: all
// that a consumer needs to know of a thing whose state it calls back for.
func Newest(batch []events.Event) map[string]events.Event {
	newest := make(map[string]events.Event, len(batch))
	for _, e := range batch {
		if e.Version > newest[e.Subject].Version {
			newest[e.Subject] = e
		}
	}
	return newest
}

// Subjects returns the sorted subjects of Newest.
func Subjects(newest map[string]events.Event) []string {
	subjects := make([]string, 0, len(newest))
	for subject := range newest {
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	return subjects
}

// Behind returns the sorted subjects whose copy, at the version known, is older than
// the newest event: the ones worth a call.
func Behind(newest map[string]events.Event, known map[string]int64) []string {
	var subjects []string
	for _, subject := range Subjects(newest) {
		if known[subject] < newest[subject].Version {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}
