package rpc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// None are the params of a method that takes none.
type None struct{}

// decodeParams reads params into a P: by name into a struct's fields, by position
// into them in their order, or as they are where P is no struct. A field that may be
// missing is a pointer, or says omitempty.
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
	switch kind(raw) {
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

// fieldsOf is the exported fields of a struct, in their order; none of what is none.
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
	values := scan(raw)
	if len(values) > len(fields) {
		return invalidParams("%d params are given, the method takes %d", len(values), len(fields))
	}
	for i, v := range values {
		if e := set(target, fields[i], v.value); e != nil {
			return e
		}
	}
	return missing(fields, len(values), nil)
}

func byName(raw json.RawMessage, fields []field, target reflect.Value) *Error {
	values := scan(raw)
	for _, f := range fields {
		if v := find(values, f.name); v != nil {
			if e := set(target, f, v); e != nil {
				return e
			}
		}
	}
	for _, v := range values {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == v.name }) {
			return invalidParams("the method takes no param %q", v.name)
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

// missing says which field is neither among the first that are given by position nor
// given by name.
func missing(fields []field, first int, given []member) *Error {
	for _, f := range fields[first:] {
		if !f.optional && find(given, f.name) == nil {
			return invalidParams("param %q is missing", f.name)
		}
	}
	return nil
}

// explain is a decoding error without Go's words.
func explain(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // encoding/json does not wrap it
		return "a " + t.Value + " where a " + t.Type.Kind().String() + " is wanted"
	}
	return err.Error()
}
