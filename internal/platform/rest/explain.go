package rest

import (
	"errors"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"quadrille/pkg/fault"
)

// finding is one error of a request. unparsed means that a part cannot be parsed (400);
// otherwise it breaks a rule (422).
type finding struct {
	pointer  string
	detail   string
	unparsed bool
}

// findings has the first errors of a request and the number of further ones.
type findings struct {
	first    []finding
	more     int
	unparsed bool // whether any of them is
}

// full reports whether further findings are only counted, so that they need no text.
func (f *findings) full() bool { return len(f.first) >= fault.MaxFields }

func (f *findings) add(one finding) {
	f.unparsed = f.unparsed || one.unparsed
	if f.full() {
		f.more++
		return
	}
	f.first = append(f.first, one)
}

// explain converts the validator's error to one fault, with a field for each of the first
// findings. Its cost is linear in the number of findings.
func explain(err error) error {
	found := &findings{}
	found.collect(err, "#")
	if len(found.first) == 0 {
		return fault.New(fault.Malformed, "request_malformed", "%.300s", firstLine(err.Error()))
	}
	f := fault.New(fault.Invalid, "request_invalid", "the request breaks rules of this API; see errors")
	if found.unparsed {
		f = fault.New(fault.Malformed, "request_malformed", "the request cannot be parsed; see errors")
	}
	for _, x := range found.first {
		f.Fields = append(f.Fields, fault.Field{Pointer: x.pointer, Detail: x.detail})
	}
	f.More = found.more
	return f
}

// collect adds the validator's errors. at is the pointer to the part of the request.
func (f *findings) collect(err error, at string) {
	var many openapi3.MultiError
	var request *openapi3filter.RequestError
	var schema *openapi3.SchemaError
	switch {
	case as(err, &many):
		for _, e := range many {
			f.collect(e, at)
		}
	case as(err, &request):
		f.collectRequest(request)
	case as(err, &schema):
		f.add(f.ofSchema(schema, at))
	default:
		f.add(f.unreadable(at, err))
	}
}

// unreadable returns the finding for a part of the request that cannot be parsed.
func (f *findings) unreadable(at string, err error) finding {
	if f.full() {
		return finding{unparsed: true}
	}
	return finding{pointer: at, detail: firstLine(err.Error()), unparsed: true}
}

// as is errors.As without unwrapping: a request error wraps a list of schema errors, and
// errors.As would return the first of them.
func as[T error](err error, target *T) bool {
	t, ok := err.(T) //nolint:errorlint // see above
	if ok {
		*target = t
	}
	return ok
}

func (f *findings) collectRequest(e *openapi3filter.RequestError) {
	at := "#"
	if e.Parameter != nil {
		at = "#/" + e.Parameter.In + "/" + e.Parameter.Name
	}
	switch {
	case errors.Is(e.Err, openapi3filter.ErrInvalidRequired), errors.Is(e.Err, openapi3filter.ErrInvalidEmptyValue):
		f.add(finding{pointer: at, detail: "is required"})
	case e.Err != nil:
		f.collect(e.Err, at)
	default:
		f.add(finding{pointer: at, detail: firstLine(e.Reason), unparsed: true})
	}
}

// ofSchema converts a schema error. A value of another type and an unknown property count
// as unparsed; other errors break a rule.
func (f *findings) ofSchema(e *openapi3.SchemaError, at string) finding {
	var inner *openapi3.SchemaError
	if e.Origin != nil && errors.As(e.Origin, &inner) {
		return f.ofSchema(inner, at)
	}
	unparsed := e.SchemaField == "type" || e.SchemaField == "properties" || e.SchemaField == "additionalProperties"
	if f.full() {
		return finding{unparsed: unparsed}
	}
	pointer := at
	for _, step := range e.JSONPointer() {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
	}
	one := finding{pointer: strings.TrimPrefix(pointer, "#/body"), detail: firstLine(e.Reason), unparsed: unparsed}
	if at == "#" {
		one.pointer = strings.TrimPrefix(pointer, "#")
	}
	if e.SchemaField == "pattern" {
		one.detail = "does not match " + e.Schema.Pattern
	}
	return one
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > 300 {
		line = line[:300] + "…"
	}
	return line
}
