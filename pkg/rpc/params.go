package rpc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"quadrille/pkg/rpc/internal/jsonscan"
)

// None is the params type of a method without params.
type None struct{}

// decodeParams decodes params into a P: into the fields of a struct, by name or in their
// order, or into P as a whole if it is not a struct. Fields of pointer type, or with
// omitempty, may be missing.
func decodeParams[P any](raw json.RawMessage, fields []field) (p P, e *Error) {
	target := reflect.ValueOf(&p).Elem()
	if target.Kind() != reflect.Struct {
		if raw == nil {
			return p, invalidParams("params are missing")
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			return p, invalidParams("params: %s", explain(err))
		}
		return p, nil
	}
	switch jsonscan.Kind(raw) {
	case 0:
		return p, missing(fields, 0, nil)
	case '[':
		return p, byPosition(raw, fields, target)
	default:
		return p, byName(raw, fields, target)
	}
}

type field struct {
	name     string
	index    int
	optional bool
}

// fieldsOf returns the exported fields of a struct in their order, and nil for other
// types.
func fieldsOf(t reflect.Type) (fields []field) {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		fields = append(fields, field{name: tag, index: i, optional: f.Type.Kind() == reflect.Pointer || strings.Contains(options, "omitempty")})
	}
	return fields
}

func byPosition(raw json.RawMessage, fields []field, target reflect.Value) *Error {
	values := jsonscan.Split(raw)
	if len(values) > len(fields) {
		return invalidParams("got %d params, the method takes %d", len(values), len(fields))
	}
	for i, v := range values {
		if e := set(target, fields[i], v.Value); e != nil {
			return e
		}
	}
	return missing(fields, len(values), nil)
}

func byName(raw json.RawMessage, fields []field, target reflect.Value) *Error {
	values := jsonscan.Split(raw)
	for _, f := range fields {
		if v := jsonscan.Find(values, f.name); v != nil {
			if e := set(target, f, v); e != nil {
				return e
			}
		}
	}
	for _, v := range values {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == v.Name }) {
			return invalidParams("the method takes no param %q", v.Name)
		}
	}
	return missing(fields, 0, values)
}

func set(target reflect.Value, f field, v json.RawMessage) *Error {
	if bytes.Equal(bytes.TrimSpace(v), null()) && !f.optional {
		return invalidParams("param %q is null", f.name)
	}
	if err := json.Unmarshal(v, target.Field(f.index).Addr().Interface()); err != nil {
		return invalidParams("param %q: %s", f.name, explain(err))
	}
	return nil
}

// missing returns an error if a required field is neither among the first ones, which
// are given by position, nor among those given by name.
func missing(fields []field, first int, given []jsonscan.Member) *Error {
	for _, f := range fields[first:] {
		if !f.optional && jsonscan.Find(given, f.name) == nil {
			return invalidParams("param %q is missing", f.name)
		}
	}
	return nil
}

// explain returns the text of a decoding error without the names of Go types.
func explain(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // encoding/json does not wrap it
		return "got " + t.Value + ", want " + t.Type.Kind().String()
	}
	return err.Error()
}
