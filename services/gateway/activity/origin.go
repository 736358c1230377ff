package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"quadrille/internal/db"
	"quadrille/pkg/fault"
)

// origin says which notes these are, and since when.
type origin struct {
	Epoch string    // of these notes and no others: numbers begin anew where they were lost
	Born  time.Time // what happened before is no news to anybody
}

// origin is the same for as long as there are the notes, so it is read once.
func (s *store) origin(ctx context.Context) (origin, error) {
	if known := s.cachedOrigin.Load(); known != nil {
		return *known, nil
	}
	var o origin
	err := s.db.WithContext(ctx).Table("activity_origin").Where("one = 1").Take(&o).Error
	if err == nil {
		s.cachedOrigin.Store(&o)
	}
	return o, db.Wrap(err, "read origin of notes")
}

// id is what a client names to go on after a note.
func (o origin) id(seq int64) string { return o.Epoch + "-" + strconv.FormatInt(seq, 10) }

var idForm = regexp.MustCompile(`^(?:([0-9a-f]{8})-)?([0-9]{1,18})$`)

// parseID is the number that an id names, and whether it is one of these notes. One
// without an epoch is taken for a seq of theirs.
func (o origin) parseID(id, pointer string) (seq int64, ours bool, err error) {
	parts := idForm.FindStringSubmatch(id)
	if parts == nil {
		return 0, false, fault.New(fault.Malformed, "last_event_id_malformed", "a Last-Event-ID is the id of an event of this stream").
			With(pointer, "%.40q is none", id)
	}
	seq, err = strconv.ParseInt(parts[2], 10, 64)
	return seq, parts[1] == "" || parts[1] == o.Epoch, err
}

// frame is one server-sent event: what a reconnect names as Last-Event-ID, the
// event's name and its data, which is one line.
func (o origin) frame(event string, seq int64, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // these types always can be written
	}
	line := strings.NewReplacer("\r", "", "\n", "").Replace(event) // a line break would begin another field
	return fmt.Appendf(nil, "id: %s\nevent: %s\ndata: %s\n\n", o.id(seq), line, text)
}

// bareID is a heartbeat that also moves Last-Event-ID on: a frame without data is
// no event to a client, but its id counts.
func (o origin) bareID(seq int64) []byte {
	return fmt.Appendf(nil, ": heartbeat\nid: %s\n\n", o.id(seq))
}
