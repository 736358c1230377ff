package heroku_test

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// observation holds what is visible of a dyno from outside its process until it receives
// SIGTERM. It then connects once more to have PostgreSQL cancel the statement that runs;
// that connection is no session and counts for no limit.
type observation struct {
	mu      sync.Mutex
	most    map[string]int       // held connections at one time, by the add-on's port
	any     map[string]bool      // ports with a connection at any time
	since   map[string]time.Time // when each present connection was seen first, by local address
	written int64                // bytes that it had the system write to a disk
	over    bool
}

// lookEvery is the interval at which a dyno is observed.
const lookEvery = 50 * time.Millisecond

// observe looks at a dyno until it ends.
func observe(d *dyno) *observation {
	o := &observation{most: map[string]int{}, any: map[string]bool{}, since: map[string]time.Time{}}
	go func() {
		for {
			o.look(d.process.Pid)
			select {
			case <-d.ended:
				return
			case <-time.After(lookEvery):
			}
		}
	}()
	return o
}

func (o *observation) look(pid int) {
	now, written := listed(pid), writtenBy(pid)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = max(o.written, written)
	if o.over {
		return
	}
	since, count := map[string]time.Time{}, map[string]int{}
	for from, port := range now {
		o.any[port] = true
		since[from] = time.Now()
		if first, known := o.since[from]; known {
			since[from] = first
		}
		if time.Since(since[from]) >= heldFor {
			count[port]++
		}
	}
	o.since = since
	for port, n := range count {
		o.most[port] = max(o.most[port], n)
	}
}

// end has connections count no more.
func (o *observation) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
}

// result returns the observations so far.
func (o *observation) result() (most map[string]int, any map[string]bool, written int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.most), maps.Clone(o.any), o.written
}

// established is the kernel's word for a connection that both sides have.
const established = "01"

// heldFor is the age from which a connection counts. A pool keeps its connections for
// minutes. Those that end sooner are no part of it: a request to cancel a statement has a
// connection of its own, and one that was given up closes in the background while its
// successor opens. The add-on itself refuses connections above its plan, of any age.
const heldFor = 2 * time.Second

// listed returns the ports that a process's namespace is connected to, by local address.
func listed(pid int) map[string]string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return nil // the process has ended
	}
	ports := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != established {
			continue
		}
		_, hex, _ := strings.Cut(fields[2], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
			ports[fields[1]] = strconv.FormatUint(port, 10)
		}
	}
	return ports
}

// writtenBy returns the number of bytes that a process has written to disks.
func writtenBy(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	line, _, _ := strings.Cut(after, "\n")
	n, _ := strconv.ParseInt(line, 10, 64)
	return n
}
