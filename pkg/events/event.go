package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ContentType is the AMQP content type of one event in structured JSON mode
// (CloudEvents 1.0, AMQP protocol binding, section 3.2).
const ContentType = "application/cloudevents+json"

// BatchContentType is the content type of a list of events (CloudEvents JSON
// format, section 4).
const BatchContentType = "application/cloudevents-batch+json"

// ErrNotAnEvent is wrapped by every error of Decode and Validate.
var ErrNotAnEvent = errors.New("not a CloudEvent")

// Event is the CloudEvents 1.0 envelope of one change. It has the subject and its version,
// and not its state, which is read at Data.Href.
type Event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`     // UUIDv7
	Source          string    `json:"source"` // "/inventory"
	Type            string    `json:"type"`   // "inventory.sku_processed"
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`    // UTC
	Version         int64     `json:"version"` // of the subject after the change; 1 or more
	CorrelationID   string    `json:"correlationid,omitempty"`
	CausationID     string    `json:"causationid,omitempty"`
	TraceParent     string    `json:"traceparent,omitempty"` // W3C Trace Context
	DataContentType string    `json:"datacontenttype"`
	Data            Data      `json:"data"`
}

// Data is the payload of an event: the path of its subject in the publisher's API.
type Data struct {
	Href string `json:"href"`
}

// New returns an event of type typ ("inventory.sku_processed") about subject. version is
// the subject's version after the change, href the path of its state. The source is the
// part of typ before the dot. The outbox sets cause and trace from the context of the
// change.
func New(typ, subject string, version int64, href string) Event {
	service, _, _ := strings.Cut(typ, ".")
	return Event{
		SpecVersion: "1.0", ID: uuid.Must(uuid.NewV7()).String(),
		Source: "/" + service, Type: typ, Subject: subject, Version: version,
		Time:            time.Now().UTC().Truncate(time.Millisecond),
		DataContentType: "application/json", Data: Data{Href: href},
	}
}

// Service returns the name of the service that published the event.
func (e Event) Service() string { return strings.TrimPrefix(e.Source, "/") }

// Encode returns the event as structured-mode JSON.
func (e Event) Encode() ([]byte, error) { return json.Marshal(e) }

// Decode parses one event in structured-mode JSON and validates it. It ignores unknown
// members, as CloudEvents 1.0 requires. Its errors wrap ErrNotAnEvent.
func Decode(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNotAnEvent, err)
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// Validate returns an error that wraps ErrNotAnEvent for the first broken rule. The rules
// are the required attributes of CloudEvents 1.0 (section 3.1) and Quadrille's own: a type
// "service.event", a source that matches it, a subject, and a positive version.
func (e Event) Validate() error {
	service, name, dotted := strings.Cut(e.Type, ".")
	switch {
	case e.SpecVersion != "1.0":
		return fmt.Errorf("%w: specversion is %q, want \"1.0\"", ErrNotAnEvent, e.SpecVersion)
	case e.ID == "":
		return fmt.Errorf("%w: id is missing", ErrNotAnEvent)
	case !dotted || service == "" || name == "":
		return fmt.Errorf("%w: type %q is not service.event", ErrNotAnEvent, e.Type)
	case e.Source != "/"+service:
		return fmt.Errorf("%w: source %q does not match type %q", ErrNotAnEvent, e.Source, e.Type)
	case e.Subject == "":
		return fmt.Errorf("%w: subject is missing", ErrNotAnEvent)
	case e.Version < 1:
		return fmt.Errorf("%w: version is %d, want 1 or more", ErrNotAnEvent, e.Version)
	}
	return nil
}

// href escapes path segments and joins them to a path.
func href(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
