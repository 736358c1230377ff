// Package bus defines the event log: one stream per publisher, which keeps its events
// when they are read.
//
// Bus is the interface. Packages rabbitmq and sqlitelog implement it; package bustest
// is the conformance suite that both pass. Package consumer reads a stream and keeps
// its position.
package bus
