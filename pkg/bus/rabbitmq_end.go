package bus

import (
	"context"
	"errors"
	"sync"
	"time"
)

// endProbe finds a stream's end, once for all who ask at the same time.
type endProbe struct {
	mu    sync.Mutex
	end   Position
	err   error
	asked time.Time
}

// endFor is how long an end is told again without asking the broker.
const endFor = 200 * time.Millisecond

// End is Bus's.
func (b *RabbitMQ) End(ctx context.Context, stream string) (Position, error) {
	b.mu.Lock()
	if b.ends[stream] == nil {
		b.ends[stream] = &endProbe{}
	}
	p := b.ends[stream]
	b.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.asked) > endFor {
		p.end, p.err = b.probe(ctx, stream, 500*time.Millisecond)
		p.asked = time.Now()
	}
	return p.end, p.err
}

// probe reads the stream's last chunk to its end. That is the only way to learn
// the last offset: the queue's message count lags by seconds, and offsets have
// gaps. An empty stream shows nothing: after patience it is taken for empty.
func (b *RabbitMQ) probe(ctx context.Context, stream string, patience time.Duration) (Position, error) {
	s, err := b.attach(stream, "last", 0)
	if errors.Is(err, ErrNoStream) {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, err
	}
	defer s.Close() //nolint:errcheck // returns nil
	var end Position
	wait := patience
	for {
		quiet, cancel := context.WithTimeout(ctx, wait)
		batch, err := s.Next(quiet, b.cfg.Prefetch)
		cancel()
		switch {
		case err == nil:
			last := batch[len(batch)-1]
			end = Position{Offset: last.Offset, ID: last.ID}
			wait = 20 * time.Millisecond // a chunk comes in one piece
		case ctx.Err() != nil:
			return Position{}, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			return end, nil
		default:
			return Position{}, err
		}
	}
}

// Since is Bus's. RabbitMQ finds the chunk that was written at t; its clock has
// whole seconds.
func (b *RabbitMQ) Since(ctx context.Context, stream string, t time.Time) (int64, error) {
	s, err := b.attach(stream, t.Add(-time.Second), 0)
	if err != nil {
		return 0, err
	}
	defer s.Close() //nolint:errcheck // returns nil
	waiting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	first, err := s.one(waiting)
	switch {
	case err == nil:
		return first.Offset, nil
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return 0, err
	}
	end, err := b.probe(ctx, stream, answerWithin)
	return end.explicit().Offset + 1, err
}
