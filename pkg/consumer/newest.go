package consumer

import (
	"slices"

	"quadrille/pkg/events"
)

// Newest returns the event with the highest version of each subject in the batch. A
// handler that calls back for current state needs no others.
func Newest(batch []events.Event) map[string]events.Event {
	newest := make(map[string]events.Event, len(batch))
	for _, e := range batch {
		if e.Version > newest[e.Subject].Version {
			newest[e.Subject] = e
		}
	}
	return newest
}

// Subjects returns the keys of newest, sorted.
func Subjects(newest map[string]events.Event) []string {
	subjects := make([]string, 0, len(newest))
	for subject := range newest {
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	return subjects
}

// Behind returns the subjects, sorted, whose copy at the known version is older than the
// newest event: those that need a call-back.
func Behind(newest map[string]events.Event, known map[string]int64) []string {
	var subjects []string
	for _, subject := range Subjects(newest) {
		if known[subject] < newest[subject].Version {
			subjects = append(subjects, subject)
		}
	}
	return subjects
}
