// Package bustest is the conformance suite of the event log: what every driver
// of bus.Bus keeps, with the faults that it survives.
package bustest
