package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitNode is a RabbitMQ node of the test's own.
type RabbitNode struct {
	process

	node string // Erlang's name of it
	ctl  string // path of rabbitmqctl
	dir  string
	port int
	env  []string
}

// RabbitMQ starts a RabbitMQ node on a free port of the loopback interface, with
// its data in a folder that goes with the test.
func RabbitMQ(t testing.TB) *RabbitNode { return RabbitCluster(t, 1)[0] }

// RabbitCluster starts n nodes that form one cluster. Each node knows only those
// that were started before it: RabbitMQ 4 waits for every peer that it is told of.
func RabbitCluster(t testing.TB, n int) []*RabbitNode {
	t.Helper()
	server := need(t, "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server")
	nodes := make([]*RabbitNode, n)
	names := make([]string, n)
	for i := range nodes {
		nodes[i] = newRabbitNode(t, server, i)
		names[i] = nodes[i].node
	}
	for i, node := range nodes {
		node.configure(t, names[:i+1])
		if err := node.Start(); err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
	}
	if err := nodes[0].eventually(func() error {
		out, err := nodes[0].Ctl("eval", "length(rabbit_nodes:all_running()).")
		if err == nil && strings.TrimSpace(out) != strconv.Itoa(n) {
			err = fmt.Errorf("%s of %d nodes run as one cluster", strings.TrimSpace(out), n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return nodes
}

func newRabbitNode(t testing.TB, server string, i int) *RabbitNode {
	t.Helper()
	n := &RabbitNode{dir: folder(t, os.Getuid()), port: freePort(t)}
	n.node = fmt.Sprintf("quadrille%d-%d-%d@localhost", os.Getpid(), n.port, i)
	n.ctl = filepath.Join(filepath.Dir(server), "rabbitmqctl")
	n.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "LANG=C.UTF-8",
		"RABBITMQ_NODENAME=" + n.node, "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT=" + strconv.Itoa(n.port),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(freePort(t)),
		"RABBITMQ_MNESIA_BASE=" + n.dir + "/mnesia", "RABBITMQ_LOG_BASE=" + n.dir + "/log",
		"RABBITMQ_CONFIG_FILE=" + n.dir + "/rabbitmq", "RABBITMQ_CONF_ENV_FILE=" + n.dir + "/env",
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.dir + "/plugins", "RABBITMQ_GENERATED_CONFIG_DIR=" + n.dir + "/config",
		// Three of them share two cores: no schedulers that spin while they wait.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
		// The script then becomes Erlang, instead of a shell that waits for it and
		// of which alone the kernel would know that it ends with this process.
		"RUNNING_UNDER_SYSTEMD=true",
	}
	n.process = process{
		name:  "RabbitMQ " + n.node,
		ready: n.answers,
		command: func() *exec.Cmd {
			cmd := exec.Command(server) //nolint:noctx // it outlives contexts
			cmd.Env, cmd.Dir = n.env, n.dir
			return cmd
		},
	}
	t.Cleanup(func() {
		_ = n.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", n.node, n.said())
		}
	})
	return n
}

// said returns the end of the node's log.
func (n *RabbitNode) said() string {
	files, err := filepath.Glob(n.dir + "/log/*.log")
	if err != nil || len(files) == 0 {
		return "nothing"
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-8000):])
}

// configure writes the node's files: who its peers are, and the cookie they share.
func (n *RabbitNode) configure(t testing.TB, peers []string) {
	t.Helper()
	var conf strings.Builder
	conf.WriteString("cluster_formation.peer_discovery_backend = classic_config\ndisk_free_limit.absolute = 50MB\nvm_memory_high_watermark.relative = 0.3\n")
	for i, peer := range peers {
		fmt.Fprintf(&conf, "cluster_formation.classic_config.nodes.%d = %s\n", i+1, peer)
	}
	for name, content := range map[string]string{"rabbitmq.conf": conf.String(), "plugins": "[].\n", "env": "", ".erlang.cookie": "QUADRILLETEST"} {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
	}
}

// URL returns the node's URL.
func (n *RabbitNode) URL() string { return "amqp://guest:guest@" + n.Address() + "/" }

// Address returns the node's host and port.
func (n *RabbitNode) Address() string { return address(n.port) }

// Stop stops the node cleanly.
func (n *RabbitNode) Stop() error { return n.stop(syscall.SIGTERM) }

// Ctl runs rabbitmqctl against the node.
func (n *RabbitNode) Ctl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.ctl, append([]string{"--quiet", "--node", n.node}, args...)...)
	cmd.Env, cmd.Dir = n.env, n.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}

// LimitMessages sets the largest message that the node accepts, in bytes, for channels
// that are opened from now on. RabbitMQ 3 reads the setting for each channel, RabbitMQ 4
// keeps it as a term.
func (n *RabbitNode) LimitMessages(size int) error {
	_, err := n.Ctl("eval", fmt.Sprintf("application:set_env(rabbit, max_message_size, %[1]d), persistent_term:put(max_message_size, %[1]d).", size))
	return err
}

// SetConsumerTimeout makes the node close channels on which a delivery stays
// unacknowledged for longer than d. The node checks every 250 ms.
func (n *RabbitNode) SetConsumerTimeout(d time.Duration) error {
	for _, set := range []string{fmt.Sprintf("consumer_timeout, %d", d.Milliseconds()), "channel_tick_interval, 250"} {
		if _, err := n.Ctl("eval", "application:set_env(rabbit, "+set+")."); err != nil {
			return err
		}
	}
	return nil
}

// Settle has the node write down which streams it has. RabbitMQ 3.10 does so some
// time after a stream was declared, and one that is killed before does not find it
// again.
func (n *RabbitNode) Settle() error {
	_, err := n.Ctl("eval", "[dets:sync(T) || T <- dets:all()].")
	return err
}

// DiskAlarm has the node believe that its disk is full, or free again, and waits
// until it does.
func (n *RabbitNode) DiskAlarm(on bool) error {
	limit, want := "50MB", "[]"
	if on {
		limit = "100000000000000"
	}
	if _, err := n.Ctl("set_disk_free_limit", limit); err != nil {
		return err
	}
	return n.eventually(func() error {
		out, err := n.Ctl("eval", "rabbit_alarm:get_alarms().")
		if err == nil && (strings.TrimSpace(out) == want) == on {
			err = fmt.Errorf("alarms are %s", out)
		}
		return err
	})
}

func (n *RabbitNode) answers(context.Context) error {
	conn, err := amqp.DialConfig(n.URL(), amqp.Config{Dial: amqp.DefaultDial(20 * time.Second), Heartbeat: 10 * time.Second, Locale: "en_US"})
	if err != nil {
		return err
	}
	return conn.Close()
}

// eventually tries until it works.
func (n *RabbitNode) eventually(try func() error) error {
	for deadline := time.Now().Add(startWithin); ; {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(errors.New("not so in time"), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
