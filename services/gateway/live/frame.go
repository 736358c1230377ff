package live

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// told is a note on its way to a browser, written out once for all who see it.
type told struct {
	Note

	frame []byte
}

// body is what a stream says of a note.
type body struct {
	Seq         int64     `json:"seq"`
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	Service     string    `json:"service"`
	Subject     string    `json:"subject"`
	Version     int64     `json:"version"`
	Customer    string    `json:"customer,omitempty"`
	Correlation string    `json:"correlation"`
	Causation   string    `json:"causation,omitempty"`
	Time        time.Time `json:"time"`
	Href        string    `json:"href"`
}

// tell writes a note out.
func tell(n Note) *told {
	return &told{Note: n, frame: frame(n.Type, n.Seq, body{
		Seq: n.Seq, ID: n.EventID, Type: n.Type, Service: n.Stream, Subject: n.Subject, Version: n.Version,
		Customer: n.Customer, Correlation: n.Correlation, Causation: n.Causation, Time: n.Time.UTC(), Href: n.href(),
	})}
}

// frame is one server-sent event: what a reconnect names as Last-Event-ID, the
// event's name and its data, which is one line.
func frame(event string, id int64, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // these types always can be written
	}
	line := strings.NewReplacer("\r", "", "\n", "").Replace(event) // a line break would begin another field
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, line, text)
}

// bareID is a heartbeat that also moves Last-Event-ID on: a frame without data is
// no event to a client, but its id counts.
func bareID(id int64) []byte { return fmt.Appendf(nil, ": heartbeat\nid: %d\n\n", id) }
