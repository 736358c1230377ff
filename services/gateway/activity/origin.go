package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// origin identifies a recording and its start.
type origin struct {
	Epoch string    // differs for each recording: numbers restart where the table was lost
	Born  time.Time // earlier events are recorded and not sent to streams
}

// origin returns the origin. It never changes, so it is read once.
func (s *store) origin(ctx context.Context) (origin, error) {
	if known := s.cachedOrigin.Load(); known != nil {
		return *known, nil
	}
	var o origin
	err := s.db.WithContext(ctx).Table("activity_origin").Where("one = 1").Take(&o).Error
	if err == nil {
		s.cachedOrigin.Store(&o)
	}
	return o, db.Wrap(err, "read origin of the activity")
}

// id returns the event ID of a number, which a client sends as Last-Event-ID.
func (o origin) id(seq int64) string { return o.Epoch + "-" + strconv.FormatInt(seq, 10) }

var idForm = regexp.MustCompile(`^(?:([0-9a-f]{8})-)?([0-9]{1,18})$`)

// parseID returns the number of an event ID and whether it belongs to this recording. An
// ID without an epoch counts as belonging to it.
func (o origin) parseID(id, pointer string) (seq int64, ours bool, err error) {
	parts := idForm.FindStringSubmatch(id)
	if parts == nil {
		return 0, false, fault.New(fault.Malformed, "last_event_id_malformed", "the Last-Event-ID must be the id of an event of this stream").
			With(pointer, "%.40q is not such an id", id)
	}
	seq, err = strconv.ParseInt(parts[2], 10, 64)
	return seq, parts[1] == "" || parts[1] == o.Epoch, err
}

// frame encodes one server-sent event: ID, name and data, which is one line.
func (o origin) frame(event string, seq int64, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // these types always encode
	}
	line := strings.NewReplacer("\r", "", "\n", "").Replace(event) // a line break would start another field
	return fmt.Appendf(nil, "id: %s\nevent: %s\ndata: %s\n\n", o.id(seq), line, text)
}

// bareID encodes a heartbeat that also moves Last-Event-ID: a frame without data is no
// event to a client, but its ID counts.
func (o origin) bareID(seq int64) []byte {
	return fmt.Appendf(nil, ": heartbeat\nid: %s\n\n", o.id(seq))
}
