package rest

import (
	"errors"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"quadrille/pkg/fault"
)

// finding is one thing that is wrong with a request. Unparsed means that it
// cannot be read at all (400); otherwise it breaks a rule (422).
type finding struct {
	pointer  string
	detail   string
	unparsed bool
}

// explain turns what the validator found into one fault with a field for each
// finding.
func explain(err error) error {
	found := collect(err, "#")
	if len(found) == 0 {
		return fault.New(fault.Malformed, "request_malformed", "%.300s", firstLine(err.Error()))
	}
	f := fault.New(fault.Invalid, "request_invalid", "the request breaks the rules of this API; errors says where")
	for _, x := range found {
		if x.unparsed {
			f = fault.New(fault.Malformed, "request_malformed", "the request cannot be read; errors says where")
		}
	}
	for _, x := range found {
		f = f.With(x.pointer, "%s", x.detail)
	}
	return f
}

// collect walks the validator's errors. at is where in the request it is.
func collect(err error, at string) []finding {
	var many openapi3.MultiError
	var request *openapi3filter.RequestError
	var schema *openapi3.SchemaError
	var parse *openapi3filter.ParseError
	switch {
	case as(err, &many):
		var found []finding
		for _, e := range many {
			found = append(found, collect(e, at)...)
		}
		return found
	case as(err, &request):
		return collectRequest(request)
	case as(err, &schema):
		return []finding{ofSchema(schema, at)}
	case as(err, &parse):
		return []finding{{pointer: at, detail: firstLine(parse.Error()), unparsed: true}}
	default:
		return []finding{{pointer: at, detail: firstLine(err.Error()), unparsed: true}}
	}
}

// as is errors.As for exactly this error: a request error wraps a list of schema
// errors, which must not be taken for the first of them.
func as[T error](err error, target *T) bool {
	t, ok := err.(T) //nolint:errorlint // see above
	if ok {
		*target = t
	}
	return ok
}

func collectRequest(e *openapi3filter.RequestError) []finding {
	at := "#"
	if e.Parameter != nil {
		at = "#/" + e.Parameter.In + "/" + e.Parameter.Name
	}
	switch {
	case errors.Is(e.Err, openapi3filter.ErrInvalidRequired), errors.Is(e.Err, openapi3filter.ErrInvalidEmptyValue):
		return []finding{{pointer: at, detail: "is required"}}
	case e.Err != nil:
		return collect(e.Err, at)
	default:
		return []finding{{pointer: at, detail: firstLine(e.Reason), unparsed: true}}
	}
}

// ofSchema says what is wrong at one place. Of another type, or not known at
// all, is unreadable; the rest breaks a rule.
func ofSchema(e *openapi3.SchemaError, at string) finding {
	pointer := at
	for _, step := range e.JSONPointer() {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
	}
	f := finding{pointer: strings.TrimPrefix(pointer, "#/body"), detail: firstLine(e.Reason)}
	if at == "#" {
		f.pointer = strings.TrimPrefix(pointer, "#")
	}
	if e.Origin != nil {
		var inner *openapi3.SchemaError
		if errors.As(e.Origin, &inner) {
			return ofSchema(inner, at)
		}
	}
	switch e.SchemaField {
	case "type", "properties", "additionalProperties":
		f.unparsed = true
	case "pattern":
		f.detail = "does not match " + e.Schema.Pattern
	}
	return f
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > 300 {
		line = line[:300] + "…"
	}
	return line
}
