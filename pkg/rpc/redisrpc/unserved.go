package redisrpc

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/pending"
)

// checkServed fails the calls to lists that no server takes requests from.
func (l *Link) checkServed() {
	tick := time.NewTicker(pending.UnservedAfter)
	defer tick.Stop()
	for unserved := map[string]int{}; ; {
		select {
		case <-l.life.Done():
			return
		case <-tick.C:
		}
		lists := l.calls.Waiting()
		for list := range unserved {
			if !lists[list] {
				delete(unserved, list)
			}
		}
		for list := range lists {
			if !l.absent(list) {
				delete(unserved, list)
			} else if unserved[list]++; unserved[list] > 1 {
				l.calls.FailWaiting(list, fmt.Errorf("%w: no server takes requests from the list %s", rpc.ErrUnavailable, list))
			}
		}
	}
}

// absent reports whether requests lie in the list, or in that of a dead server, and no
// registered server has a heartbeat. Without requests the list counts as served: a
// server that is stopping may be finishing the last ones.
func (l *Link) absent(list string) bool {
	k := keys{list}
	p := l.redis.Pipeline()
	requests, workers := []*redis.IntCmd{p.LLen(l.life, list)}, p.SMembers(l.life, k.workers())
	if _, err := p.Exec(l.life); err != nil {
		return false
	}
	p = l.redis.Pipeline()
	var alive []*redis.IntCmd
	for _, instance := range workers.Val() {
		alive = append(alive, p.Exists(l.life, k.alive(instance)))
		requests = append(requests, p.LLen(l.life, k.working(instance)))
	}
	_, err := p.Exec(l.life)
	return err == nil && total(alive) == 0 && total(requests) > 0
}

func total(counts []*redis.IntCmd) (n int64) {
	for _, c := range counts {
		n += c.Val()
	}
	return n
}
