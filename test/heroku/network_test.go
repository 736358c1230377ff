package heroku_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"quadrille/test/harness/nodes"
)

// network is all that there is: dynos, each at the end of a wire of its own, and in
// the middle the place where add-ons and router are. Nothing is passed on there from
// one wire to another, and no wire leads out of it.
type network struct {
	t      *testing.T
	middle *namespace
	// trusted are the certificates, in PEM, that a dyno finds on its disk.
	trusted []byte
	// broker is the one behind the gate.
	broker *nodes.RabbitNode

	mu    sync.Mutex
	wires int
}

// addons is the address of the middle, where the add-ons listen.
const addons = "10.111.255.1"

func newNetwork(t *testing.T) *network {
	t.Helper()
	w := &network{t: t, middle: newNamespace(t)}
	w.ip(w.middle, "link set lo up", "addr add "+addons+"/32 dev lo")
	return w
}

// connect makes a namespace at the end of a new wire, and its address. The only way
// from there leads to the add-ons.
func (w *network) connect() (end *namespace, address string) {
	w.t.Helper()
	w.mu.Lock()
	w.wires++
	n := w.wires
	w.mu.Unlock()
	at := func(host int) string { return fmt.Sprintf("10.111.%d.%d", n*4/256, n*4%256+host) }
	end, address = newNamespace(w.t), at(2)
	wire := "wire" + strconv.Itoa(n)
	w.ip(w.middle,
		fmt.Sprintf("link add name %s type veth peer name eth0 netns %d", wire, end.thread),
		"addr add "+at(1)+"/30 dev "+wire,
		"link set "+wire+" up")
	w.ip(end, "link set lo up", "addr add "+address+"/30 dev eth0", "link set eth0 up", "route add "+addons+"/32 via "+at(1))
	return end, address
}

// ip has the program ip do things inside a namespace.
func (w *network) ip(inside *namespace, lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		var out []byte
		var err error
		inside.do(func() { out, err = exec.Command("ip", strings.Fields(line)...).CombinedOutput() })
		if err != nil {
			w.t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}
