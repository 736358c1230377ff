// Package long says which tests have a short and a long form. `go test ./...` runs the
// short forms; `go test -tags long ./...` and .ci/run run the long forms.
package long

// Pick returns short, or long if the tests were built with -tags long.
func Pick[T any](short, long T) T {
	if Full {
		return long
	}
	return short
}

// Form describes the short form of the tests of a folder.
type Form struct {
	Folder  string // where the tests are
	LeftOut string // by the short form
}

// Forms returns one entry for each folder whose tests use this package. README.md has the
// same table.
func Forms() []Form {
	return []Form{
		{"pkg/rpc", "three of five faults of each broker"},
		{"test/browser", "half of the window sizes and colour schemes of each page"},
		{"test/chaos", "eight of twelve faults, the loss of a node of a RabbitMQ cluster"},
		{"test/harness", "shops whose services call each other through Redis or RabbitMQ (test/e2e, internal/shop)"},
		{"test/harness/parts", "the start of a container, over a stub of Docker"},
		{"test/heroku", "scaling, packing, the kill of four of six process types, the limit of connections (it needs the machine for itself)"},
	}
}
