package rpc

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// watch fails the calls to lists that nobody serves. As in RabbitMQ's queues, two
// questions in a row must find nobody.
func (l *RedisLink) watch() {
	tick := time.NewTicker(awayAfter)
	defer tick.Stop()
	for found := map[string]int{}; ; {
		select {
		case <-l.life.Done():
			return
		case <-tick.C:
		}
		lists := l.waitedFor(awayAfter)
		for list := range found {
			if !lists[list] {
				delete(found, list)
			}
		}
		for list := range lists {
			if !l.nobody(list) {
				delete(found, list)
			} else if found[list]++; found[list] > 1 {
				l.giveUp(list, awayAfter)
			}
		}
	}
}

// waitedFor is the lists to which calls have waited for so long.
func (l *RedisLink) waitedFor(long time.Duration) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lists := map[string]bool{}
	for _, w := range l.waiting {
		if time.Since(w.since) >= long {
			lists[w.list] = true
		}
	}
	return lists
}

// nobody reports whether requests lie in the list, or in that of a dead server, and
// no server that is alive has put itself down. Without requests somebody has taken
// all, and may be finishing them before it goes.
func (l *RedisLink) nobody(list string) bool {
	names := redisNames{list}
	ask := l.redis.Pipeline()
	lists, workers := []*redis.IntCmd{ask.LLen(l.life, list)}, ask.SMembers(l.life, names.workers())
	if _, err := ask.Exec(l.life); err != nil {
		return false
	}
	ask = l.redis.Pipeline()
	var alive []*redis.IntCmd
	for _, instance := range workers.Val() {
		alive = append(alive, ask.Exists(l.life, names.alive(instance)))
		lists = append(lists, ask.LLen(l.life, names.working(instance)))
	}
	_, err := ask.Exec(l.life)
	return err == nil && total(alive) == 0 && total(lists) > 0
}

func total(counts []*redis.IntCmd) (n int64) {
	for _, c := range counts {
		n += c.Val()
	}
	return n
}

// giveUp fails the calls to list that have waited for so long.
func (l *RedisLink) giveUp(list string, long time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, w := range l.waiting {
		if w.list == list && time.Since(w.since) >= long {
			delete(l.waiting, id)
			w.arrived <- answer{err: fmt.Errorf("%w: nobody serves the list %s", ErrUnavailable, list)}
		}
	}
}

// redisNames is what servers of a list keep in Redis, by name.
type redisNames struct{ list string }

// workers is the set of servers that are, or were until they died.
func (n redisNames) workers() string { return n.list + ".workers" }

// alive is the key that a server keeps while it lives.
func (n redisNames) alive(instance string) string { return n.list + ".alive." + instance }

// working is the list of requests that a server is at.
func (n redisNames) working(instance string) string { return n.list + ".working." + instance }
