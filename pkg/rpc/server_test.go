package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"quadrille/pkg/rpc"
)

type operands struct {
	Minuend    float64 `json:"minuend"`
	Subtrahend float64 `json:"subtrahend"`
}

type note struct {
	Text  string  `json:"text"`
	Times *int    `json:"times"`
	Tag   string  `json:"tag,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
}

// newServer returns a server with the methods of the specification's examples, and some faulty
// ones.
func newServer(cfg rpc.ServerConfig) *rpc.Server {
	s := rpc.NewServer(cfg)
	rpc.Register(s, "subtract", func(_ context.Context, p operands) (float64, error) { return p.Minuend - p.Subtrahend, nil })
	rpc.Register(s, "sum", func(_ context.Context, p []float64) (total float64, _ error) {
		for _, n := range p {
			total += n
		}
		return total, nil
	})
	rpc.Register(s, "get_data", func(context.Context, rpc.None) ([]any, error) { return []any{"hello", 5}, nil })
	rpc.Register(s, "update", func(context.Context, []int) (any, error) { return nil, nil })
	rpc.Register(s, "notify_hello", func(context.Context, []int) (any, error) { return nil, nil })
	rpc.Register(s, "note", func(_ context.Context, n note) (note, error) { return n, nil })
	rpc.Register(s, "panic", func(context.Context, rpc.None) (any, error) { panic("a secret") })
	rpc.Register(s, "fail", func(context.Context, rpc.None) (any, error) { return nil, errors.New("a secret") })
	rpc.Register(s, "refuse", func(context.Context, rpc.None) (any, error) {
		return nil, fmt.Errorf("wrapped: %w", &rpc.Error{Code: 7, Message: "no", Data: json.RawMessage(`{"why":"because"}`)})
	})
	rpc.Register(s, "unwritable", func(context.Context, rpc.None) (any, error) { return make(chan int), nil })
	rpc.Register(s, "deadline", func(ctx context.Context, _ rpc.None) (bool, error) { _, has := ctx.Deadline(); return has, nil })
	return s
}

// same compares JSON regardless of the order of members.
func same(t *testing.T, request string, got []byte, want string) {
	t.Helper()
	if want == "" {
		if got != nil {
			t.Errorf("%s\nis answered %s, want nothing", request, got)
		}
		return
	}
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Errorf("%s\nis answered %s: %v", request, got, err)
		return
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s\nis answered %s\nwant        %s", request, got, want)
	}
}

// The examples are those of section 7.
func TestExamplesOfSpecification(t *testing.T) {
	s := newServer(rpc.ServerConfig{})
	for request, want := range map[string]string{
		`{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}`:                            `{"jsonrpc": "2.0", "result": 19, "id": 1}`,
		`{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}`:                            `{"jsonrpc": "2.0", "result": -19, "id": 2}`,
		`{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}`:   `{"jsonrpc": "2.0", "result": 19, "id": 3}`,
		`{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}`:   `{"jsonrpc": "2.0", "result": 19, "id": 4}`,
		`{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}`:                                    ``,
		`{"jsonrpc": "2.0", "method": "foobar"}`:                                                           ``,
		`{"jsonrpc": "2.0", "method": "foobar", "id": "1"}`:                                                `{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}`,
		`{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]`:                                     `{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}`,
		`{"jsonrpc": "2.0", "method": 1, "params": "bar"}`:                                                 `{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}`,
		`[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]`: `{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}`,
		`[]`:    `{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}`,
		`[1]`:   `[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]`,
		`[1,2]`: `[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]`,
		`[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
		{"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"}, {"foo": "boo"},
		{"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"}, {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]`: `[{"jsonrpc": "2.0", "result": 7, "id": "1"},
		{"jsonrpc": "2.0", "result": 19, "id": "2"}, {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
		{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"}, {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}]`,
		`[{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]`: ``,
	} {
		same(t, request, s.Handle(t.Context(), []byte(request)), want)
	}
}

func fault(code int, message, id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","error":{"code":%d,"message":%q},"id":%s}`, code, message, id)
}

func TestInvalidRequestsAreRefused(t *testing.T) {
	s := newServer(rpc.ServerConfig{})
	invalid := func(id string) string { return fault(rpc.CodeInvalidRequest, "Invalid Request", id) }
	for request, want := range map[string]string{
		``:                             fault(rpc.CodeParse, "Parse error", "null"),
		`{"jsonrpc":"2.0"} x`:          fault(rpc.CodeParse, "Parse error", "null"),
		`null`:                         invalid("null"),
		`"sum"`:                        invalid("null"),
		`{}`:                           invalid("null"),
		`{"jsonrpc":"2.0","id":1}`:     invalid("1"),
		`{"method":"get_data","id":1}`: invalid("1"),
		`{"jsonrpc":"1.0","method":"get_data","id":1}`:                                     invalid("1"),
		`{"jsonrpc":2.0,"method":"get_data","id":1}`:                                       invalid("1"),
		`{"JSONRPC":"2.0","method":"get_data","id":1}`:                                     invalid("1"),
		`{"jsonrpc":"2.0","Method":"get_data","id":1}`:                                     invalid("1"),
		`{"jsonrpc":"2.0","method":null,"id":1}`:                                           invalid("1"),
		`{"jsonrpc":"2.0","method":"get_data","id":true}`:                                  invalid("null"),
		`{"jsonrpc":"2.0","method":"get_data","id":{}}`:                                    invalid("null"),
		`{"jsonrpc":"2.0","method":"get_data","id":[1]}`:                                   invalid("null"),
		`{"jsonrpc":"2.0","method":"sum","params":1,"id":1}`:                               invalid("1"),
		`{"jsonrpc":"2.0","method":"sum","params":"x","id":1}`:                             invalid("1"),
		`{"jsonrpc":"2.0","method":"sum","params":null,"id":1}`:                            invalid("1"),
		`{"jsonrpc":"2.0","method":"sum","params":true}`:                                   invalid("null"),
		`[[{"jsonrpc":"2.0","method":"get_data","id":1}]]`:                                 "[" + invalid("null") + "]",
		`{"jsonrpc":"2.0","method":"rpc.discover","id":1}`:                                 fault(rpc.CodeNoMethod, "Method not found", "1"),
		`{"jsonrpc":"2.0","method":"","id":1}`:                                             fault(rpc.CodeNoMethod, "Method not found", "1"),
		`{"jsonrpc":"2.0","method":"panic","id":"p"}`:                                      fault(rpc.CodeInternal, "Internal error", `"p"`),
		`{"jsonrpc":"2.0","method":"fail","id":"f"}`:                                       fault(rpc.CodeInternal, "Internal error", `"f"`),
		`{"jsonrpc":"2.0","method":"unwritable","id":"u"}`:                                 fault(rpc.CodeInternal, "Internal error", `"u"`),
		`{"jsonrpc":"2.0","method":"panic"}`:                                               ``,
		`{"jsonrpc":"2.0","method":"refuse","id":-1.5e3}`:                                  `{"jsonrpc":"2.0","error":{"code":7,"message":"no","data":{"why":"because"}},"id":-1.5e3}`,
		`{"jsonrpc":"2.0","method":"get_data","id":null}`:                                  `{"jsonrpc":"2.0","result":["hello",5],"id":null}`,
		`{"jsonrpc":"2.0","method":"update","params":[],"id":"x y"}`:                       `{"jsonrpc":"2.0","result":null,"id":"x y"}`,
		`{"jsonrpc":"2.0","method":"get_data","extra":1,"id":1}`:                           `{"jsonrpc":"2.0","result":["hello",5],"id":1}`,
		"\n [ {\"jsonrpc\":\"2.0\",\"method\":\"get_data\",\"id\":12345678901234567890} ]": `[{"jsonrpc":"2.0","result":["hello",5],"id":12345678901234567890}]`,
	} {
		got := s.Handle(t.Context(), []byte(request))
		same(t, request, got, want)
		if bytes.Contains(got, []byte("secret")) {
			t.Errorf("%s leaks %s", request, got)
		}
	}
	if got := s.Handle(t.Context(), []byte(`{"jsonrpc":"2.0","method":"get_data","id":12345678901234567890}`)); !bytes.Contains(got, []byte("12345678901234567890")) {
		t.Errorf("the ID came back as another one: %s", got)
	}
}

func TestParams(t *testing.T) {
	s := newServer(rpc.ServerConfig{})
	for params, want := range map[string]string{
		`["x"]`:                    `{"text":"x","times":null}`,
		`["x",2]`:                  `{"text":"x","times":2}`,
		`["x",null,"t",0.5]`:       `{"text":"x","times":null,"tag":"t","ratio":0.5}`,
		`{"text":"x","tag":"y"}`:   `{"text":"x","times":null,"tag":"y"}`,
		`[]`:                       `"param \"text\" is missing"`,
		`{}`:                       `"param \"text\" is missing"`,
		`{"Text":"x"}`:             `"the method takes no param \"Text\""`,
		`{"text":"x","more":1}`:    `"the method takes no param \"more\""`,
		`["x",1,"t",1,5]`:          `"got 5 params, the method takes 4"`,
		`{"text":1}`:               `"param \"text\": got number, want string"`,
		`{"text":null}`:            `"param \"text\" is null"`,
		`{"text":"x","times":1.5}`: `"param \"times\": got number 1.5, want int"`,
	} {
		var answer struct {
			Result json.RawMessage
			Error  *rpc.Error
		}
		got := s.Handle(t.Context(), []byte(`{"jsonrpc":"2.0","method":"note","params":`+params+`,"id":1}`))
		if err := json.Unmarshal(got, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Error != nil {
			if answer.Error.Code != rpc.CodeInvalidParams || string(answer.Error.Data) != want {
				t.Errorf("%s gives %s, want %s", params, got, want)
			}
			continue
		}
		same(t, params, answer.Result, want)
	}
	for request, code := range map[string]int{
		`{"jsonrpc":"2.0","method":"note","id":1}`:                      rpc.CodeInvalidParams,
		`{"jsonrpc":"2.0","method":"sum","id":1}`:                       rpc.CodeInvalidParams,
		`{"jsonrpc":"2.0","method":"sum","params":{"a":1},"id":1}`:      rpc.CodeInvalidParams,
		`{"jsonrpc":"2.0","method":"get_data","params":[1],"id":1}`:     rpc.CodeInvalidParams,
		`{"jsonrpc":"2.0","method":"get_data","params":{"a":1},"id":1}`: rpc.CodeInvalidParams,
	} {
		if got := s.Handle(t.Context(), []byte(request)); !strings.Contains(string(got), strconv.Itoa(code)) {
			t.Errorf("%s gives %s, want %d", request, got, code)
		}
	}
}

func TestLimits(t *testing.T) {
	s := newServer(rpc.ServerConfig{MaxBytes: 2000, MaxBatch: 3})
	one := `{"jsonrpc":"2.0","method":"get_data","id":1}`
	if got := s.Handle(t.Context(), []byte("["+one+","+one+","+one+"]")); bytes.Contains(got, []byte("error")) {
		t.Errorf("a batch of three gives %s", got)
	}
	for what, message := range map[string]string{
		"more than 3 in a batch": "[" + one + "," + one + "," + one + "," + one + "]",
		"more than 2000 bytes":   `{"jsonrpc":"2.0","method":"sum","params":[` + strings.Repeat("1,", 1000) + `1],"id":1}`,
	} {
		if got := s.Handle(t.Context(), []byte(message)); !bytes.Contains(got, []byte(what)) || !bytes.Contains(got, []byte("-32600")) {
			t.Errorf("%s gives %s", what, got)
		}
	}
}

func TestDeadlines(t *testing.T) {
	s := newServer(rpc.ServerConfig{Log: slog.New(slog.DiscardHandler)})
	for expires, want := range map[int64]string{
		0:                                      `{"jsonrpc":"2.0","result":false,"id":1}`,
		time.Now().Add(time.Hour).UnixMilli():  `{"jsonrpc":"2.0","result":true,"id":1}`,
		time.Now().Add(-time.Hour).UnixMilli(): fault(rpc.CodeExpired, "Deadline passed", "1"),
	} {
		request := fmt.Sprintf(`{"jsonrpc":"2.0","method":"deadline","expires":%d,"id":1}`, expires)
		same(t, request, s.Handle(t.Context(), []byte(request)), want)
	}
}

func TestRegisterRefusesUsedNames(t *testing.T) {
	for _, name := range []string{"sum", "rpc.sum"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s could be registered", name)
				}
			}()
			rpc.Register(newServer(rpc.ServerConfig{}), name, func(context.Context, rpc.None) (any, error) { return nil, nil })
		}()
	}
}

// For any input, Handle returns JSON or nothing, and does not panic.
func FuzzHandle(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","method":"subtract","params":[42,23],"id":1}`, `[1,{"jsonrpc":"2.0","method":"sum","params":[1],"id":"a"}]`,
		`{"jsonrpc":"2.0","method":"note","params":{"text":"x","times":null}}`, `[`, `{"id":`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	s := newServer(rpc.ServerConfig{})
	f.Fuzz(func(t *testing.T, message []byte) {
		if reply := s.Handle(t.Context(), message); reply != nil && !json.Valid(reply) {
			t.Errorf("%q is answered %q", message, reply)
		}
	})
}
