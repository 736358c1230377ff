package redisrpc

import (
	"context"
	"encoding/json"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc/internal/jsonscan"
)

// answered is a request that was handled and its reply, nil for a notification.
type answered struct {
	request string
	reply   []byte
}

// handle answers one request, or leaves it to other servers if work was cancelled. It
// returns once the reply was sent, or passes the reply to another goroutine that is
// sending at that moment.
func (s *Server) handle(work context.Context, request string) {
	reply := s.cfg.Server.Handle(work, []byte(request))
	if work.Err() != nil {
		s.finish(request)
		return
	}
	s.mu.Lock()
	s.unsent = append(s.unsent, answered{request: request, reply: reply})
	if s.sending {
		s.mu.Unlock()
		return
	}
	s.sending = true
	for len(s.unsent) > 0 {
		all := s.unsent
		s.unsent = nil
		s.mu.Unlock()
		s.sendReplies(context.WithoutCancel(work), all)
		s.mu.Lock()
	}
	s.sending = false
	s.mu.Unlock()
}

// finish makes room for another request.
func (s *Server) finish(request string) {
	s.count(request, -1)
	<-s.slots
}

// sendReplies pushes each reply before it removes the request from the server's working
// list. A request whose reply could not be sent is requeued later, as an orphan.
func (s *Server) sendReplies(ctx context.Context, all []answered) {
	lists := map[string]bool{}
	_, err := s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, a := range all {
			list := replyList([]byte(a.request))
			if a.reply != nil && list != "" && list != s.cfg.List { // in its own list it would be a request
				p.LPush(ctx, list, a.reply)
				lists[list] = true
			}
			p.LRem(ctx, s.keys.working(s.instance), 1, a.request)
		}
		for list := range lists {
			p.PExpire(ctx, list, s.cfg.ReplyFor)
		}
		return nil
	})
	if err != nil {
		s.cfg.Log.Warn("cannot send replies; requeueing their requests", "list", s.cfg.List, "replies", len(all), "error", err)
	}
	for _, a := range all {
		s.finish(a.request)
	}
}

// replyList returns the list for the reply: the one that reply_to of the first request
// names, else the one named by the first ID. It returns "" for invalid JSON.
func replyList(message []byte) string {
	if !json.Valid(message) {
		return ""
	}
	requests := jsonscan.Elements(message)
	if len(requests) > 0 && jsonscan.Kind(requests[0].Value) == '{' {
		if to := jsonscan.String(jsonscan.Find(jsonscan.Split(requests[0].Value), "reply_to")); to != "" {
			return to
		}
	}
	return firstID(requests)
}

// firstID returns the first string or number among the IDs of requests; a number as it
// is written.
func firstID(requests []jsonscan.Member) string {
	for _, r := range requests {
		id := jsonscan.Find(jsonscan.Split(r.Value), "id")
		if name := jsonscan.String(id); name != "" {
			return name
		}
		if jsonscan.IsNumber(id) {
			return string(id)
		}
	}
	return ""
}
