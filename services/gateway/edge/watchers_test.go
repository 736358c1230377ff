package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/services"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
	salesclient "quadrille/services/sales/client"
)

// streamTest is a gateway with a log of events that it streams.
type streamTest struct {
	*testGateway

	ring auth.Keyring
	now  atomic.Pointer[time.Time] // of keys
	log  bus.Bus
	away atomic.Bool // credentials cannot be checked
}

// ownedByAnn is a sales service in which every order is ann's.
type ownedByAnn struct{}

func (ownedByAnn) Orders(_ context.Context, ids []string) (found []salesclient.Order, err error) {
	for _, id := range ids {
		found = append(found, salesclient.Order{Id: id, Customer: "ann"})
	}
	return found, nil
}

// beat is between two heartbeats.
const beat = 10 * time.Millisecond

func newStand(t *testing.T) *streamTest {
	t.Helper()
	s := &streamTest{}
	begin := time.Now()
	s.now.Store(&begin)
	quiet := slog.New(slog.DiscardHandler)
	log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { end(); running.Wait(); _ = log.Close() })
	s.testGateway = opened(t, overHTTP, Config{}, nil, func(c *Config) {
		c.Keys.Now = func() time.Time { return *s.now.Load() }
		s.ring = auth.LocalKeys{Store: c.Keys}
		keys := &auth.Authenticator{Keys: c.Keys}
		c.Authenticate = func(ctx context.Context, header string) (auth.Caller, error) {
			if s.away.Load() {
				return auth.Caller{}, fault.New(fault.Unavailable, "identity_away", "nobody can tell")
			}
			return keys.Authenticate(ctx, header)
		}
		c.Activity, err = activity.New(activity.Config{
			DB: c.Keys.DB, Log: quiet, Sales: ownedByAnn{}, Caller: StreamCaller(ClientAddress(0)), StillValid: StillValid(c.Authenticate), Heartbeat: beat, Streams: app.Streams(services.All()),
		})
		if err != nil {
			t.Fatal(err)
		}
		readers, err := c.Activity.Consumers(app.Deps{DB: c.Keys.DB, Bus: log, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = c.Activity.Run(ctx) })
		for _, r := range readers {
			running.Go(func() { _ = r.Run(ctx) })
		}
	})
	return s
}

// key returns the text of a new key.
func (s *streamTest) key(n auth.KeyRequest) (id, text string) {
	s.t.Helper()
	n.Name = "watcher"
	made, err := s.ring.Create(s.t.Context(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return made.ID, made.Key
}

// watch opens a stream and reads its hello. The returned reader gives the rest of the
// stream.
func (s *streamTest) watch(authorization ...string) (hello map[string]any, lines *bufio.Reader) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	r := s.request("GET", prefix+"/events", "", authorization...).WithContext(ctx)
	got, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cancel(); _ = got.Body.Close() })
	lines = bufio.NewReader(got.Body)
	if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "text/event-stream" {
		said, _ := io.ReadAll(lines)
		s.t.Fatalf("it is %d %s", got.StatusCode, said)
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if data, is := strings.CutPrefix(line, "data: "); is {
			if err := json.Unmarshal([]byte(data), &hello); err != nil {
				s.t.Fatal(err)
			}
			return hello, lines
		}
	}
}

// next returns the type of the next event; io.EOF where the stream ended.
func next(lines *bufio.Reader) (string, error) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if kind, is := strings.CutPrefix(line, "event: "); is {
			return strings.TrimSpace(kind), nil
		}
	}
}

func (s *streamTest) publish(e events.Event) {
	s.t.Helper()
	e = e.Stamp(context.Background())
	text, err := e.Encode()
	if err == nil {
		err = s.log.Publish(s.t.Context(), e.Service(), []bus.Message{{ID: e.ID, Type: e.Type, RoutingKey: e.RoutingKey(), Body: text}})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Callers receive the events that their roles may see, through the whole gateway.
func TestStreamsOnlyVisibleEvents(t *testing.T) {
	s := newStand(t)
	_, ann := s.key(auth.KeyRequest{Roles: []string{"customer"}, Subject: "ann"})
	_, bob := s.key(auth.KeyRequest{Roles: []string{"customer"}, Subject: "bob"})
	_, scanner := s.key(auth.KeyRequest{Roles: []string{"warehouse"}})
	_, staff := s.key(auth.KeyRequest{Roles: []string{"staff"}})
	const order, stock, wish, product = events.SalesOrderPlaced, "inventory.sku_processed", "wishlist.item_wished", "catalog.product_changed"
	streams := map[string]struct {
		lines *bufio.Reader
		want  []string
	}{}
	for name, c := range map[string]struct {
		header []string
		want   []string
	}{
		"":          {[]string{"Authorization", ""}, []string{product}},
		"ann":       {as(ann), []string{order, wish, product}},
		"bob":       {as(bob), []string{product}},
		"warehouse": {as(scanner), []string{order, stock, product}},
		"staff":     {as(staff), []string{order, stock, wish, product}},
	} {
		hello, lines := s.watch(c.header...)
		if subject := fmt.Sprint(hello["subject"]); (name == "ann" || name == "bob" || name == "") && subject != name {
			t.Errorf("%q: hello %v", name, hello)
		}
		streams[name] = struct {
			lines *bufio.Reader
			want  []string
		}{lines, c.want}
	}
	for _, e := range []events.Event{events.OrderChanged(order, "o1", 1), events.SkuProcessed("A", 1), events.ItemWished("ann", "A", 1)} {
		s.publish(e)
	}
	for name, stream := range streams { // each of its own but the last, which is for all
		for range len(stream.want) - 1 {
			kind, err := next(stream.lines)
			if err != nil || !slices.Contains(stream.want, kind) {
				t.Errorf("%q received %s, %v", name, kind, err)
			}
		}
	}
	s.publish(events.ProductChanged("A", 1))
	for name, stream := range streams {
		if kind, err := next(stream.lines); err != nil || kind != product {
			t.Errorf("%q received %s, %v", name, kind, err)
		}
	}
}

// A stream ends when its key is revoked or expires. Streams of other callers go on.
func TestEndsStreamWhenCredentialsEnd(t *testing.T) {
	for name, end := range map[string]func(s *streamTest, id string){
		"revoked": func(s *streamTest, id string) {
			if _, err := s.ring.Revoke(s.t.Context(), id); err != nil {
				s.t.Fatal(err)
			}
		},
		"expired": func(s *streamTest, _ string) {
			later := time.Now().Add(time.Hour)
			s.now.Store(&later)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t)
			soon := time.Now().Add(time.Minute)
			id, key := s.key(auth.KeyRequest{Roles: []string{"staff"}, ExpiresAt: &soon})
			_, lines := s.watch(as(key)...)
			_, others := s.watch("Authorization", "")
			s.publish(events.ProductChanged("A", 1))
			if kind, err := next(lines); err != nil || kind != "catalog.product_changed" {
				t.Fatalf("received %s, %v", kind, err)
			}
			end(s, id)
			if kind, err := next(lines); !errors.Is(err, io.EOF) {
				t.Errorf("it goes on with %s, %v", kind, err)
			}
			if a := s.ask("GET", prefix+"/events", "", as(key)...); a.status != http.StatusUnauthorized {
				t.Errorf("it comes back: %d %s", a.status, a.body)
			}
			s.publish(events.ProductChanged("B", 1))
			for range 2 { // the anonymous stream goes on
				if kind, err := next(others); err != nil || kind != "catalog.product_changed" {
					t.Errorf("anonymous stream received %s, %v", kind, err)
				}
			}
		})
	}
}

func TestKeepsStreamsWhileCredentialsCannotBeChecked(t *testing.T) {
	s := newStand(t)
	_, key := s.key(auth.KeyRequest{Roles: []string{"customer"}, Subject: "ann"})
	_, lines := s.watch(as(key)...)
	s.away.Store(true)
	if a := s.ask("GET", prefix+"/events", "", as(key)...); a.status != http.StatusServiceUnavailable {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
	for range 3 { // heartbeats, at each of which the credentials were checked
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, ": heartbeat") {
				break
			}
		}
	}
	s.publish(events.ProductChanged("A", 1))
	if kind, err := next(lines); err != nil || kind != "catalog.product_changed" {
		t.Errorf("received %s, %v", kind, err)
	}
}
