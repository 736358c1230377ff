package bus

import "context"

// BeforeFirst is the offset that stands for a position before the first event. Streams
// begin at offset 0.
const BeforeFirst = -1

// AnyEvent is the ID of a position whose event is not known. Reading continues after its
// offset, whatever event lies there.
const AnyEvent = "*"

// Position names the event that a consumer read last. The zero Position lies before the
// first event. It includes the event's ID, because an offset alone cannot tell a history
// from its replacement.
type Position struct {
	Offset int64
	ID     string
}

// IsStart reports whether p lies before the first event.
func (p Position) IsStart() bool { return p.ID == "" }

// LastOffset returns the offset of the event read last, BeforeFirst if there is none.
func (p Position) LastOffset() int64 {
	if p.IsStart() {
		return BeforeFirst
	}
	return p.Offset
}

// Before returns the position from which the event at offset is read next, whatever the
// history. An offset of 0 or less is the start of the stream.
func Before(offset int64) Position {
	if offset <= 0 {
		return Position{}
	}
	return Position{Offset: offset - 1, ID: AnyEvent}
}

// Count reads a stream from an offset to its present end and returns the number of
// events: offsets have gaps. It calls progress with the offset reached after each batch.
func Count(ctx context.Context, b Bus, stream string, from int64, progress func(offset int64)) (n int64, err error) {
	end, err := b.End(ctx, stream)
	if err != nil || end.LastOffset() < from {
		return 0, err
	}
	s, err := b.Subscribe(ctx, stream, Before(from))
	if err != nil {
		return 0, err
	}
	defer s.Close() //nolint:errcheck // it was only read
	for {
		const atOnce = 1000
		found, err := s.Next(ctx, atOnce)
		if err != nil {
			return n, err
		}
		for _, d := range found {
			if d.Offset <= end.Offset {
				n++
			}
			if d.Offset >= end.Offset {
				return n, nil
			}
		}
		progress(found[len(found)-1].Offset)
	}
}
