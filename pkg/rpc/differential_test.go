package rpc_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quadrille/pkg/rpc"
)

// difference gives the reason why this server's response is right although the peer's differs.
type difference struct{ section, why string }

var (
	wrongType   = &difference{"5.1", "-32700 is for what is not JSON; a member of the wrong type makes JSON that is no request, -32600"}
	noObject    = &difference{"7", "the examples answer the batch [1] by -32600, not by -32700"}
	nullID      = &difference{"4.1", "a notification is a request without an id; null is an id, if no good one (4)"}
	nullParams  = &difference{"4.2", "params that are present must be an array or an object"}
	emptyMethod = &difference{"4", "the method is a string, as the empty one is; so it is not found (5.1)"}
	moreMembers = &difference{"4", "it names the members of a request and forbids no others"}
	spelling    = &difference{"4.2", "names must match exactly, including case"}
	noParams    = &difference{"4.2", "an array or object without values gives a method without params what it takes"}
	noUnicode   = &difference{"2", "the format is JSON, which is Unicode; other bytes are none, and would come back with the id"}
	sameID      = &difference{"6", "a response should exist for each request; nothing wants ids to differ"}
	noJSON      = &difference{"5.1", "a result that cannot be written is an internal error, -32603; the peer takes a code of the range left to servers"}
)

// choice is one way to write a part of a request. A choice that is a member may be empty.
type choice struct {
	members string
	wrong   bool   // what has it is no request
	result  string // of a call
	code    int    // of a call, instead of a result
	differs *difference
}

func versions() []choice {
	return []choice{
		{members: `"jsonrpc":"2.0"`},
		{members: `"jsonrpc":"2\u002e0"`},
		{members: `"jsonrpc":"1.0"`, wrong: true},
		{members: `"jsonrpc":"2.00"`, wrong: true},
		{members: `"jsonrpc":2.0`, wrong: true, differs: wrongType},
		{members: `"jsonrpc":null`, wrong: true},
		{members: `"JSONRPC":"2.0"`, wrong: true},
		{wrong: true},
	}
}

// ids returns IDs that contain n, so that the requests of a batch have different IDs.
func ids(n int) []choice {
	return []choice{
		{},
		{members: fmt.Sprintf(`"id":%d`, n)},
		{members: fmt.Sprintf(`"id":-%d.5e3`, n)},
		{members: fmt.Sprintf(`"id":1234567890123456789012345%d`, n)},
		{members: fmt.Sprintf(`"id":"%d"`, n)},
		{members: fmt.Sprintf(`"id":"%d \\ \" é ☂"`, n)},
		{members: `"id":null`, differs: nullID},
		{members: fmt.Sprintf(`"id":true,"n":%d`, n), wrong: true},
		{members: `"id":{}`, wrong: true},
		{members: fmt.Sprintf(`"id":[%d]`, n), wrong: true},
	}
}

func methodCalls() []choice {
	const (
		invalid  = rpc.CodeInvalidRequest
		unknown  = rpc.CodeNoMethod
		params   = rpc.CodeInvalidParams
		data     = `["hello",5]`
		subtract = `"method":"subtract"`
	)
	return []choice{
		{members: subtract + `,"params":[42,23]`, result: "19"},
		{members: subtract + `,"params":{"subtrahend":23,"minuend":42}`, result: "19"},
		{members: `"method":"sub\u0074ract","params":{"minu\u0065nd":42,"subtrahend":23}`, result: "19"},
		{members: subtract + `,"params":[0.5e1, -1]`, result: "6"},
		{members: subtract, code: params},
		{members: subtract + `,"params":[]`, code: params},
		{members: subtract + `,"params":{}`, code: params},
		{members: subtract + `,"params":[1]`, code: params},
		{members: subtract + `,"params":[1,2,3]`, code: params},
		{members: subtract + `,"params":["1",2]`, code: params},
		{members: subtract + `,"params":[1,null]`, code: params},
		{members: subtract + `,"params":[1e999,1]`, code: params},
		{members: subtract + `,"params":[[1,2]]`, code: params},
		{members: subtract + `,"params":[1e308,-1e308]`, code: rpc.CodeInternal, differs: noJSON},
		{members: subtract + `,"params":{"minuend":1}`, code: params},
		{members: subtract + `,"params":{"minuend":1,"subtrahend":null}`, code: params},
		{members: subtract + `,"params":{"minuend":1,"subtrahend":"2"}`, code: params},
		{members: subtract + `,"params":{"minuend":1,"subtrahend":2,"more":3}`, code: params},
		{members: subtract + `,"params":{"Minuend":1,"subtrahend":2}`, code: params, differs: spelling},
		{members: `"method":"sum","params":[1,2,4]`, result: "7"},
		{members: `"method":"sum","params":[]`, result: "0"},
		{members: `"method":"sum","params":["x"]`, code: params},
		{members: `"method":"sum","params":{"a":1}`, code: params},
		{members: `"method":"sum"`, code: params},
		{members: `"method":"get_data"`, result: data},
		{members: `"method":"get_data","params":[]`, result: data, differs: noParams},
		{members: `"method":"get_data","params":{}`, result: data, differs: noParams},
		{members: `"method":"get_data","params":[1]`, code: params},
		{members: `"method":"get_data","params":{"a":1}`, code: params},
		{members: `"method":"refuse"`, code: 7},
		{members: `"method":"nothing"`, code: unknown},
		{members: `"method":"nothing","params":{"a":[]}`, code: unknown},
		{members: `"method":"Get_data"`, code: unknown},
		{members: `"method":"rpc.discover"`, code: unknown},
		{members: `"method":""`, code: unknown, differs: emptyMethod},
		{members: `"method":"get_data","error":null`, result: data},
		{members: `"method":"get_data","extra":{"id":1}`, result: data, differs: moreMembers},
		{members: `"method":"get_data","result":1`, result: data, differs: moreMembers},
		{members: `"Method":"get_data"`, code: invalid},
		{members: ``, code: invalid},
		{members: `"params":[1]`, code: invalid},
		{members: `"result":19`, code: invalid},
		{members: `"method":null`, code: invalid},
		{members: `"method":1,"params":"bar"`, code: invalid, differs: wrongType},
		{members: `"method":["get_data"]`, code: invalid, differs: wrongType},
		{members: `"method":true`, code: invalid, differs: wrongType},
		{members: `"method":"get_data","params":null`, code: invalid, differs: nullParams},
		{members: `"method":"nothing","params":null`, code: invalid, differs: nullParams},
		{members: `"method":"sum","params":1`, code: invalid},
		{members: `"method":"sum","params":"1"`, code: invalid},
		{members: `"method":"sum","params":false`, code: invalid},
		{members: `"method":"nothing","params":0`, code: invalid},
	}
}

// entry is a request, or an invalid element of a batch.
type entry struct {
	text    string
	want    string // by the specification
	differs []*difference
}

// compose builds a request from its parts, with its members in an order drawn by shuffle. It
// also returns the response that the specification requires.
func compose(version, id, call choice, shuffle func([]string)) entry {
	var e entry
	var members []string
	for _, c := range []choice{version, id, call} {
		if c.members != "" {
			members = append(members, c.members)
		}
		if c.differs != nil {
			e.differs = append(e.differs, c.differs)
		}
	}
	shuffle(members)
	e.text = "{" + strings.Join(members, ", ") + "}"
	name := strings.TrimPrefix(id.members, `"id":`)
	known := id.members != "" && !id.wrong
	switch {
	case id.wrong || !known && (version.wrong || call.code == rpc.CodeInvalidRequest):
		e.want = refused("null", rpc.CodeInvalidRequest)
	case version.wrong || call.code == rpc.CodeInvalidRequest:
		e.want = refused(name, rpc.CodeInvalidRequest)
	case !known:
		e.want = nothing
	case call.code != 0:
		e.want = refused(name, call.code)
	default:
		e.want = answered(name, call.result)
	}
	return e
}

// Tests every version with every ID and every call, one request per message.
func TestRequestsMatchPeer(t *testing.T) {
	seen, asked := map[*difference]bool{}, 0
	for _, version := range versions() {
		for _, id := range ids(1) {
			for _, call := range methodCalls() {
				e := compose(version, id, call, func([]string) {})
				compare(t, e, seen)
				asked++
			}
		}
	}
	for _, d := range []*difference{wrongType, nullID, nullParams, emptyMethod, moreMembers, spelling, noParams, noJSON} {
		if !seen[d] {
			t.Errorf("the peer does not differ in this any more: section %s: %s", d.section, d.why)
		}
	}
	t.Logf("%d requests", asked)
}

// compare checks this server's response against the specification, and the peer's against the
// same, unless a difference is listed.
func compare(t *testing.T, e entry, seen map[*difference]bool) {
	t.Helper()
	if got := ask(t, e.text); got != e.want {
		t.Errorf("%s\nis answered: %s\nwant:        %s", e.text, got, e.want)
	}
	theirs := askPeer(t, e.text)
	if theirs == e.want {
		return
	}
	if len(e.differs) == 0 {
		t.Errorf("%s\nis answered by the peer: %s\nby us:                   %s", e.text, theirs, e.want)
	}
	if len(e.differs) == 1 { // else nobody knows which
		seen[e.differs[0]] = true
	}
}

func TestMessagesMatchPeer(t *testing.T) {
	one := func(id string) string { return `{"jsonrpc":"2.0","method":"sum","params":[1,2,4],"id":` + id + `}` }
	const note, wrong = `{"jsonrpc":"2.0","method":"sum","params":[7]}`, `{"foo":"boo"}`
	invalid, seven := refused("null", rpc.CodeInvalidRequest), func(id string) string { return answered(id, "7") }
	seen := map[*difference]bool{}
	for _, e := range []entry{
		{text: `[]`, want: invalid},
		{text: ` [ ] `, want: invalid},
		{text: "\r\n\t " + one("1") + "\n", want: seven("1")},
		{text: `[` + one("1") + `]`, want: together(seven("1"))},
		{text: `[` + note + `]`, want: nothing},
		{text: `[` + note + `,` + note + `]`, want: nothing},
		{text: `[` + note + `,` + one("1") + `,` + note + `]`, want: together(seven("1"))},
		{text: `[` + one("1") + `,` + one(`"1"`) + `]`, want: together(seven("1"), seven(`"1"`))},
		{text: `[` + one("1") + `,` + one("1") + `]`, want: together(seven("1"), seven("1")), differs: []*difference{sameID}},
		{text: `[` + one("1") + `,` + wrong + `,` + note + `]`, want: together(seven("1"), invalid)},
		{text: `[` + wrong + `]`, want: together(invalid)},
		{text: `[null]`, want: together(invalid)},
		{text: `[1,2]`, want: together(invalid, invalid), differs: []*difference{noObject}},
		{text: `["x",[],true,` + note + `]`, want: together(invalid, invalid, invalid), differs: []*difference{noObject}},
		{text: `[[` + one("1") + `]]`, want: together(invalid), differs: []*difference{noObject}},
		{text: `null`, want: invalid},
		{text: `{}`, want: invalid},
		{text: `1`, want: invalid, differs: []*difference{noObject}},
		{text: `"sum"`, want: invalid, differs: []*difference{noObject}},
		{text: `false`, want: invalid, differs: []*difference{noObject}},
		{text: `{"jsonrpc":"1.0","jsonrpc":"2.0","method":"sum","params":[1],"params":[7],"id":2,"id":1}`, want: seven("1")},
		{text: one("\"\xff\""), want: refused("null", rpc.CodeParse), differs: []*difference{noUnicode}},
		{text: one(`"\ud800"`), want: seven(`"\ud800"`)},
	} {
		compare(t, e, seen)
	}
	if !seen[sameID] || !seen[noObject] || !seen[noUnicode] {
		t.Error("the peer does not differ any more")
	}
}

func TestInvalidJSONMatchesPeer(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `]`, `{]`, `[}`, `{"`, `{"jsonrpc"}`, `{"jsonrpc":}`, `{"jsonrpc":"2.0",}`, `{,}`, `{a:1}`, `{'a':1}`,
		`[,]`, `[1,]`, `[1 2]`, `[1,2`, `[{"jsonrpc":"2.0","method":"sum","params":[1],"id":1},{"jsonrpc":"2.0","method"]`,
		`{"jsonrpc":"2.0","method":"sum","params":[1],"id":1} x`, `{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}{}`, `{} {}`, `[] []`,
		`tru`, `True`, `nul`, `undefined`, `NaN`, `Infinity`, `{"id":NaN}`, `{"id":01}`, `{"id":1.}`, `{"id":.5}`, `{"id":+1}`, `{"id":0x1}`, `{"id":1e}`,
		`"`, `"\x"`, `"\u12"`, "\"\n\"", "\"\x00\"", `{"id":1}//`, `/* */{}`, "\ufeff{}", "\xff", "\x00", "\u00a0{}", "\v{}",
		strings.Repeat("[", 20_000), strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
	} {
		compare(t, entry{text: text, want: refused("null", rpc.CodeParse)}, nil)
	}
}

// anyEntry draws one of the requests above, or an invalid element.
func anyEntry(t *rapid.T, n int) entry {
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		other := rapid.SampledFrom([]string{`1`, `"x"`, `[]`, `[1]`, `true`}).Draw(t, "no request")
		return entry{text: other, want: refused("null", rpc.CodeInvalidRequest), differs: []*difference{noObject}}
	}
	version := versions()[0]
	if rapid.IntRange(0, 4).Draw(t, "any version") == 0 {
		version = rapid.SampledFrom(versions()).Draw(t, "version")
	}
	id, call := rapid.SampledFrom(ids(n)).Draw(t, "id"), rapid.SampledFrom(methodCalls()).Draw(t, "call")
	return compose(version, id, call, func(members []string) {
		if len(members) > 0 {
			copy(members, rapid.Permutation(slices.Clone(members)).Draw(t, "order"))
		}
	})
}

func batchOf(entries []entry) (message, want string) {
	var texts, wanted []string
	for _, e := range entries {
		texts = append(texts, e.text)
		if e.want != nothing {
			wanted = append(wanted, e.want)
		}
	}
	message = "[" + strings.Join(texts, ",\n") + "]"
	switch {
	case len(entries) == 0:
		return message, refused("null", rpc.CodeInvalidRequest)
	case len(wanted) == 0:
		return message, nothing
	}
	return message, together(wanted...)
}

// Any batch gets the response that the specification requires. Without the entries that have a
// listed difference, it gets the peer's response, too.
func TestBatchesMatchPeer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := make([]entry, rapid.IntRange(0, 12).Draw(t, "length"))
		for i := range entries {
			entries[i] = anyEntry(t, i+1)
		}
		message, want := batchOf(entries)
		if got := ask(t, message); got != want {
			t.Fatalf("%s\nis answered: %s\nwant:        %s", message, got, want)
		}
		agreed := slices.DeleteFunc(entries, func(e entry) bool { return len(e.differs) > 0 })
		message, want = batchOf(agreed)
		if theirs := askPeer(t, message); theirs != want {
			t.Fatalf("%s\nis answered by the peer: %s\nby us:                   %s", message, theirs, want)
		}
	})
}

// To both servers a damaged message is either invalid JSON, or a request with the same response.
func TestDamagedMessagesMatchPeer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message, _ := batchOf([]entry{anyEntry(t, 1), anyEntry(t, 2)})
		text := []byte(message)
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			switch b := rapid.Byte().Draw(t, "byte"); rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				text[at] = b
			case 1:
				text = slices.Insert(text, at, b)
			case 2:
				text = text[:at+1]
			}
		}
		ours := ask(t, string(text))
		if json.Valid(text) {
			return
		}
		if theirs, want := askPeer(t, string(text)), refused("null", rpc.CodeParse); ours != want || theirs != want {
			t.Fatalf("%q\nis answered: %s\nby the peer: %s\nwant:        %s", text, ours, theirs, want)
		}
	})
}
