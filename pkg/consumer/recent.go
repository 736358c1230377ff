package consumer

import (
	"encoding/json"
	"slices"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/events"
)

// maxRecent is the number of events whose IDs a consumer in order remembers. A history that is
// published again has the same events, in the order of their outbox rows. That order differs
// from the first one where transactions overlapped, by fewer events than this.
const maxRecent = 64

// recentAfter returns the IDs of the last events that took effect, after further ones did.
func recentAfter(recent string, further []bus.Delivery) string {
	var ids []string
	_ = json.Unmarshal([]byte(recent), &ids) // it was written by this function
	for _, d := range further[max(0, len(further)-maxRecent):] {
		ids = append(ids, d.ID)
	}
	encoded, _ := json.Marshal(ids[max(0, len(ids)-maxRecent):]) //nolint:errchkjson // strings always have an encoding
	return string(encoded)
}

// mark tells which events of a new history took effect when the consumer read the earlier
// one: all before the first of its IDs, and those with its IDs. If the new history has none
// of them, an event took effect unless it is younger than the last commit.
type mark struct {
	IDs   []string `json:"ids"`   // those that were not met yet
	Met   bool     `json:"met"`   // at least one was met
	After int64    `json:"after"` // microseconds since 1970
}

// newMark returns the mark of a consumer that committed its position last at a time.
func newMark(recent string, committed time.Time) *mark {
	m := &mark{After: committed.Add(maxClockSkew).UnixMicro()}
	_ = json.Unmarshal([]byte(recent), &m.IDs) // recentAfter wrote it
	return m
}

// again returns the mark for one more new history, which replaced the present one before all
// events of m were met. Events of the present one may have taken effect since.
func (m *mark) again(recent string) *mark {
	if m == nil {
		return nil
	}
	next := &mark{IDs: slices.Clone(m.IDs), After: m.After}
	var ids []string
	_ = json.Unmarshal([]byte(recent), &ids) // recentAfter wrote it
	for _, id := range ids {
		if !slices.Contains(next.IDs, id) {
			next.IDs = append(next.IDs, id)
		}
	}
	return next
}

// decodeMark returns nil for the empty text.
func decodeMark(text string) *mark {
	if text == "" {
		return nil
	}
	m := &mark{}
	_ = json.Unmarshal([]byte(text), m) // encode wrote it
	return m
}

func (m *mark) encode() string {
	if m == nil {
		return ""
	}
	text, _ := json.Marshal(m) //nolint:errchkjson // strings and numbers always have an encoding
	return string(text)
}

// tookEffect reports whether an event took effect before, and returns the mark for the
// events after it: nil if all of them are new.
func (m *mark) tookEffect(d bus.Delivery) (bool, *mark) {
	if i := slices.Index(m.IDs, d.ID); i >= 0 {
		rest := &mark{IDs: slices.Delete(slices.Clone(m.IDs), i, i+1), Met: true, After: m.After}
		if len(rest.IDs) == 0 {
			return true, nil
		}
		return true, rest
	}
	if e, err := events.Decode(d.Body); err == nil && e.Time.UnixMicro() > m.After {
		return false, nil
	}
	return !m.Met, m
}
