package rpc

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"
)

// redisReply is what became of a request.
type redisReply struct {
	request string
	reply   []byte        // nil for a notification
	sent    chan struct{} // closed when it was, or cannot be
}

// answer works on one request, until its reply was sent. Where it is abandoned,
// others get it.
func (s *RedisServer) answer(work context.Context, request string) {
	defer func() { s.count(request, -1); <-s.free }()
	r := redisReply{request: request, reply: s.cfg.Server.Handle(work, []byte(request)), sent: make(chan struct{})}
	if work.Err() != nil {
		return
	}
	s.replies <- r // has room for all that are under way
	select {
	case <-r.sent:
	case <-work.Done():
	}
}

// send sends replies until ctx ends, those that are there together.
func (s *RedisServer) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-s.replies:
			s.flush(ctx, together(first, s.replies))
		}
	}
}

// flush sends replies: each and the end of its request go together. A request that
// could not be answered is taken back, if its reply was not sent after all.
func (s *RedisServer) flush(ctx context.Context, all []redisReply) {
	lists := map[string]bool{}
	_, err := s.cfg.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
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
		close(r.sent)
	}
}

// replyList is where the reply belongs: on the list that the caller names, or on
// one that is named by the request's ID.
func replyList(request []byte) string {
	var to struct {
		ReplyTo string `json:"reply_to"`
	}
	first := json.RawMessage(request)
	if kind(request) == '[' {
		var all []json.RawMessage
		if json.Unmarshal(request, &all) == nil && len(all) > 0 {
			first = all[0]
		}
	}
	if json.Unmarshal(first, &to) == nil && to.ReplyTo != "" {
		return to.ReplyTo
	}
	return firstID(request)
}

// firstID is the first ID in a message as the name of a list: a number is written
// as it is.
func firstID(message []byte) string {
	type member struct {
		ID json.RawMessage `json:"id"`
	}
	var list []member
	if kind(message) != '[' {
		message = append(append([]byte{'['}, message...), ']')
	}
	_ = json.Unmarshal(message, &list) // what is no message has no IDs
	for _, m := range list {
		var name string
		switch {
		case json.Unmarshal(m.ID, &name) == nil && name != "":
			return name
		case len(m.ID) > 0 && kind(m.ID) != 'n' && kind(m.ID) != '"':
			return string(m.ID)
		}
	}
	return ""
}
