package nodes

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// killFamily kills a process and everything below it, and returns the ids of
// those below. The group is not enough: each of PostgreSQL's processes and
// Erlang's helper begin groups of their own, and a PostgreSQL that is busy does not
// notice that its head is dead, and keeps the next one from starting. The head is
// stopped first, so that it neither starts new ones nor answers their deaths.
func killFamily(head int) (below []int) {
	_ = syscall.Kill(head, syscall.SIGSTOP)
	for {
		found := descendants(head)
		if len(found) == 0 {
			break
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		below = append(below, found...)
	}
	_ = syscall.Kill(-head, syscall.SIGKILL)
	return below
}

// descendants returns the living descendants of a process.
func descendants(head int) (below []int) {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if parent, lives := stat(pid); lives {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	for todo := children[head]; len(todo) > 0; todo = todo[1:] {
		below = append(below, todo[0])
		todo = append(todo, children[todo[0]]...)
	}
	return below
}

// stat tells a process's parent, and whether it lives: one that has ended may
// stay listed as long as its parent does not ask for it.
func stat(pid int) (parent int, lives bool) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:])) // names may hold spaces
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

func alive(pid int) bool {
	_, lives := stat(pid)
	return lives
}
