package rpc

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"
)

// redisReply is what became of a request.
type redisReply struct {
	request string
	reply   []byte // nil for a notification
}

// answer works on one request. Where it is abandoned, others get it. It lasts until
// the reply was sent, unless another is just sending, which then takes it along.
func (s *RedisServer) answer(work context.Context, request string) {
	reply := s.cfg.Server.Handle(work, []byte(request))
	if work.Err() != nil {
		s.done(request)
		return
	}
	s.mu.Lock()
	s.replies = append(s.replies, redisReply{request: request, reply: reply})
	if s.sending {
		s.mu.Unlock()
		return
	}
	s.sending = true
	for len(s.replies) > 0 {
		all := s.replies
		s.replies = nil
		s.mu.Unlock()
		s.flush(context.WithoutCancel(work), all)
		s.mu.Lock()
	}
	s.sending = false
	s.mu.Unlock()
}

// done makes room for another request.
func (s *RedisServer) done(request string) {
	s.count(request, -1)
	<-s.free
}

// flush sends replies, each before its request is done with. A request that could
// not be answered is taken back.
func (s *RedisServer) flush(ctx context.Context, all []redisReply) {
	lists := map[string]bool{}
	_, err := s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, r := range all {
			list := replyList([]byte(r.request))
			if r.reply != nil && list != "" && list != s.cfg.List { // there it would be a request
				p.LPush(ctx, list, r.reply)
				lists[list] = true
			}
			p.LRem(ctx, s.names.working(s.instance), 1, r.request)
		}
		for list := range lists {
			p.PExpire(ctx, list, s.cfg.ReplyFor)
		}
		return nil
	})
	if err != nil {
		s.cfg.Log.Warn("replies could not be sent; their requests are taken back", "list", s.cfg.List, "replies", len(all), "error", err)
	}
	for _, r := range all {
		s.done(r.request)
	}
}

// replyList is where the reply belongs: on the list that the caller names, or on
// one that is named by the request's ID. What is no JSON names none.
func replyList(request []byte) string {
	if !json.Valid(request) {
		return ""
	}
	first := request
	if all := scan(request); kind(request) == '[' && len(all) > 0 {
		first = all[0].value
	}
	if to := unquoted(find(scan(first), "reply_to")); kind(first) == '{' && to != "" {
		return to
	}
	return firstID(request)
}

// firstID is the first ID in a message as the name of a list: a number is written
// as it is.
func firstID(message []byte) string {
	list := []member{{value: message}}
	if kind(message) == '[' {
		list = scan(message)
	}
	for _, m := range list {
		id := find(scan(m.value), "id")
		if name := unquoted(id); name != "" {
			return name
		}
		if k := kind(id); k == '-' || k >= '0' && k <= '9' {
			return string(id)
		}
	}
	return ""
}
