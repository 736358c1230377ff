package chaos_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"quadrille/test/harness/nodes"
)

// Three RabbitMQ nodes, and all of them in AMQP_URL: whichever is killed, writes
// are accepted, readers go on, and nothing differs in the end.
func TestCluster(t *testing.T) {
	nodes := nodes.RabbitCluster(t, 3)
	s := &shop{t: t}
	var brokers []string
	for _, n := range nodes {
		brokers = append(brokers, n.URL())
	}
	s.open(strings.Join(brokers, ","))
	for _, n := range nodes {
		must(t, n.Settle())
	}
	out, err := nodes[0].Ctl("eval", "[length(maps:get(nodes, amqqueue:get_type_state(Q))) || Q <- rabbit_amqqueue:list()].")
	if err != nil || strings.TrimSpace(out) != "[3,3,3,3]" {
		t.Errorf("replicas of the four histories are %s, %v; want three of each", out, err)
	}
	c := newClients(t, s)
	if os.Getenv("CHAOS_FAULTS") == "" {
		nodes = nodes[:1] // the one that every service is connected to
	}
	for i, n := range nodes {
		r := strike(t, s, c, mishap{fmt.Sprintf("kill -9 node %d of 3", i+1), func(s *shop) {
			s.check(n.Kill())
			c.confirmed(t, s) // while the node is away
		}})
		t.Logf("%s: %+v", r.fault, r)
		must(t, n.Start())
	}
}
