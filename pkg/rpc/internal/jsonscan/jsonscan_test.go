package jsonscan

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// Split and Find agree with encoding/json on every valid document.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","method":"add","params":{"a":1,"b":[2,{"c":"}]\""}]},"id":"x"}`, ` { } `, `[]`, ` [1 , "a,]" ,{},[ ] ] `,
		`{"a":1,"a":2,"\u0061":3}`, `{"":{"":""}}`, `"{}"`, `null`, `-1.5e3`, `[true,false,null]`, `{"ü\n":"\\"}`, "{\"a\" :\n1}", "[\"\xff\"]", `["\`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || !utf8.Valid(raw) {
			_ = Split(raw) // it ends
			return
		}
		list := Split(raw)
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch {
		case json.Unmarshal(raw, &object) == nil && object != nil:
			for _, m := range list {
				if _, there := object[m.Name]; !there {
					t.Errorf("%s has no %q", raw, m.Name)
				}
			}
			for name, value := range object {
				if got := Find(list, name); string(got) != string(value) {
					t.Errorf("%q in %s is %s, not %s", name, raw, got, value)
				}
			}
		case json.Unmarshal(raw, &array) == nil && array != nil:
			if len(list) != len(array) {
				t.Fatalf("%s has %d elements, not %d", raw, len(array), len(list))
			}
			for i, value := range array {
				if string(list[i].Value) != string(value) {
					t.Errorf("element %d of %s is %s, not %s", i, raw, list[i].Value, value)
				}
			}
		default:
			if list != nil {
				t.Errorf("%s is neither, and has %d members", raw, len(list))
			}
		}
	})
}
