package rpc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// None are the params of a method that takes none.
type None struct{}

// decodeParams reads params into a P: by name into a struct's fields, by position
// into them in their order, or as they are where P is no struct. A field that may be
// missing is a pointer, or says omitempty.
func decodeParams[P any](raw json.RawMessage) (p P, e *Error) {
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
	fields := fieldsOf(target.Type())
	switch kind(raw) {
	case 0:
		return p, missing(fields, map[string]bool{})
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

// fieldsOf is the exported fields of a struct, in their order.
func fieldsOf(t reflect.Type) (fields []field) {
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
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return invalidParams("params: %s", explain(err))
	}
	if len(values) > len(fields) {
		return invalidParams("%d params are given, the method takes %d", len(values), len(fields))
	}
	given := map[string]bool{}
	for i, v := range values {
		if e := set(target, fields[i], v); e != nil {
			return e
		}
		given[fields[i].name] = true
	}
	return missing(fields, given)
}

func byName(raw json.RawMessage, fields []field, target reflect.Value) *Error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return invalidParams("params: %s", explain(err))
	}
	given := map[string]bool{}
	for _, f := range fields {
		if v, there := values[f.name]; there {
			if e := set(target, f, v); e != nil {
				return e
			}
			given[f.name] = true
			delete(values, f.name)
		}
	}
	for name := range values {
		return invalidParams("the method takes no param %q", name)
	}
	return missing(fields, given)
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

func missing(fields []field, given map[string]bool) *Error {
	for _, f := range fields {
		if !f.optional && !given[f.name] {
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
