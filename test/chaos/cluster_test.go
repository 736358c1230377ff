package chaos_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"quadrille/test/harness/long"
	"quadrille/test/harness/nodes"
)

// AMQP_URL lists the three nodes of a RabbitMQ cluster. One node is killed: the shop
// accepts writes, consumers continue, and the audit finds no difference. A run with
// CHAOS_FAULTS kills each node in turn. A short run leaves the test out.
func TestSurvivesTheLossOfABrokerNode(t *testing.T) {
	if !long.Full && os.Getenv("CHAOS_FAULTS") == "" {
		t.Skip("starts a RabbitMQ cluster: needs -tags long or CHAOS_FAULTS")
	}
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
	c := newCustomers(t, s)
	if os.Getenv("CHAOS_FAULTS") == "" {
		nodes = nodes[:1] // every service is connected to this one
	}
	for i, n := range nodes {
		r := inject(t, s, c, kind{fmt.Sprintf("kill -9 node %d of 3", i+1), func(s *shop) {
			s.check(n.Kill())
			confirmed(t, s, c) // while the node is down
		}})
		t.Logf("%s: %+v", r.fault, r)
		must(t, n.Start())
	}
}
