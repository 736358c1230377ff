package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/creachadair/jrpc2/handler"
	"pgregory.net/rapid"

	"quadrille/pkg/rpc"
)

// peer starts another implementation with the same methods. The tests send the same requests to
// both; where the responses differ, the specification decides.
func peer() handler.Map {
	badParams := jrpc2.Errorf(jrpc2.InvalidParams, "something is missing")
	strict := func(f any) jrpc2.Handler {
		info, err := handler.Check(f)
		if err != nil {
			panic(err)
		}
		return info.SetStrict(true).Wrap()
	}
	return handler.Map{
		"subtract": strict(func(_ context.Context, p struct {
			Minuend    *float64 `json:"minuend"`
			Subtrahend *float64 `json:"subtrahend"`
		},
		) (float64, error) {
			if p.Minuend == nil || p.Subtrahend == nil {
				return 0, badParams
			}
			return *p.Minuend - *p.Subtrahend, nil
		}),
		"sum": strict(func(_ context.Context, p []float64) (total float64, _ error) {
			if p == nil {
				return 0, badParams
			}
			for _, n := range p {
				total += n
			}
			return total, nil
		}),
		"get_data": strict(func(context.Context) ([]any, error) { return []any{"hello", 5}, nil }),
		"refuse":   strict(func(context.Context) (any, error) { return nil, &jrpc2.Error{Code: 7, Message: "no"} }),
	}
}

// askPeer sends a message to a new peer, since a peer remembers the IDs of earlier requests.
func askPeer(t rapid.TB, message string) string {
	t.Helper()
	near, far := channel.Direct()
	server := jrpc2.NewServer(peer(), &jrpc2.ServerOptions{DisableBuiltin: true}).Start(far)
	defer func() {
		_ = near.Close()
		if err := server.Wait(); err != nil {
			t.Errorf("the peer ended with %v", err)
		}
	}()
	receive := func() []byte {
		arrived := make(chan []byte, 1)
		go func() { reply, _ := near.Recv(); arrived <- reply }()
		select {
		case reply := <-arrived:
			return reply
		case <-time.After(time.Minute):
			t.Fatalf("the peer does not answer %s", message)
			return nil
		}
	}
	if err := near.Send([]byte(message)); err != nil {
		t.Fatal(err)
	}
	if !notificationsOnly(message) {
		return meaning(t, receive())
	}
	const last = `{"jsonrpc":"2.0","method":"get_data","id":"last"}`
	if err := near.Send([]byte(last)); err != nil {
		t.Fatal(err)
	}
	if reply := receive(); !bytes.Contains(reply, []byte(`"last"`)) { // notifications come first there
		return meaning(t, reply)
	}
	return nothing
}

// notificationsOnly reports whether the message has notifications only, so that no response comes.
func notificationsOnly(message string) bool {
	requests, err := jrpc2.ParseRequests([]byte(message))
	return err == nil && len(requests) > 0 && !slices.ContainsFunc(requests, func(r *jrpc2.ParsedRequest) bool {
		return r.Error != nil || r.ID != "" || r.Method == ""
	})
}

func ask(t rapid.TB, message string) string {
	t.Helper()
	return meaning(t, newServer(rpc.ServerConfig{}).Handle(context.Background(), []byte(message)))
}

const nothing = "nothing"

// answered and refused are the meaning of a response: words and order are free.
func answered(id, result string) string  { return id + " gives " + result }
func refused(id string, code int) string { return fmt.Sprintf("%s fails with %d", id, code) }
func together(meanings ...string) string {
	return "[" + strings.Join(slices.Sorted(slices.Values(meanings)), "; ") + "]"
}
func meaning(t rapid.TB, reply []byte) string {
	t.Helper()
	if reply == nil {
		return nothing
	}
	if reply[0] != '[' {
		return meaningOfOne(t, reply)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(reply, &all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %v", reply, err)
	}
	meanings := make([]string, len(all))
	for i, one := range all {
		meanings[i] = meaningOfOne(t, one)
	}
	return together(meanings...)
}

// meaningOfOne checks that a response has the members that sections 5 and 5.1 require.
func meaningOfOne(t rapid.TB, reply []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(reply, &members); err != nil || string(members["jsonrpc"]) != `"2.0"` || members["id"] == nil || len(members) != 3 {
		t.Fatalf("%s is no response: %v", reply, err)
	}
	if result, there := members["result"]; there {
		return answered(string(members["id"]), string(result))
	}
	var e struct {
		Code    *int
		Message *string
	}
	if err := json.Unmarshal(members["error"], &e); err != nil || e.Code == nil || e.Message == nil {
		t.Fatalf("%s holds no error: %v", reply, err)
	}
	return refused(string(members["id"]), *e.Code)
}
