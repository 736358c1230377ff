package idempotency

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
)

// gate is a server with the middleware in front of a handler that counts its calls.
type gate struct {
	*httptest.Server

	store *Store
	mu    sync.Mutex
	calls int
	keys  []string // Idempotency-Keys that the handler received
	then  func(c echo.Context, call int) error
}

type nameKey struct{}

func newGate(t *testing.T, conn *gorm.DB) *gate {
	t.Helper()
	g := &gate{store: &Store{DB: conn, WaitTimeout: time.Millisecond}, then: func(c echo.Context, call int) error {
		c.Response().Header().Set("Location", "/orders/"+strconv.Itoa(call))
		c.Response().Header().Set("X-Secret", "of the first")
		return c.String(http.StatusCreated, "call "+strconv.Itoa(call))
	}}
	e := rest.NewBare(slog.New(slog.DiscardHandler), rest.AccessLog{})
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), nameKey{}, r.Header.Get("X-Name"))))
			return next(c)
		}
	}, Outlive, Middleware(g.store, func(ctx context.Context) string { return ctx.Value(nameKey{}).(string) }))
	e.Any("/*", func(c echo.Context) error {
		g.mu.Lock()
		g.calls++
		call := g.calls
		g.keys = append(g.keys, c.Request().Header.Get(Header))
		g.mu.Unlock()
		return g.then(c, call)
	})
	g.Server = httptest.NewServer(e)
	t.Cleanup(g.Close)
	return g
}

// post sends a POST and returns status, body and header of the response.
func (g *gate) post(t *testing.T, name, path, key, body string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Name", name)
	r.Header.Set(Header, key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

func each(t *testing.T, test func(t *testing.T, g *gate)) {
	t.Helper()
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) { test(t, newGate(t, conn)) })
}

func TestReplaysStoredResponse(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		for n := range 3 {
			status, body, h := g.post(t, "ann", "/orders", "k", "{}")
			if status != http.StatusCreated || body != "call 1" || h.Get("Location") != "/orders/1" || (h.Get(replayed) == "true") != (n > 0) {
				t.Errorf("request %d: %d %q %v", n+1, status, body, h)
			}
			if (h.Get("X-Secret") != "") != (n == 0) {
				t.Errorf("request %d: X-Secret is %q", n+1, h.Get("X-Secret"))
			}
		}
		for what, other := range map[string][3]string{"another caller": {"bob", "/orders", "k"}, "another route": {"ann", "/receipts", "k"}, "another key": {"ann", "/orders", "l"}} {
			if status, body, _ := g.post(t, other[0], other[1], other[2], "{}"); status != http.StatusCreated || body == "call 1" {
				t.Errorf("%s: %d %q", what, status, body)
			}
		}
		seen := map[string]bool{}
		for _, key := range g.keys {
			if seen[key] || len(key) != 64 {
				t.Errorf("the service received the key %q, among %v", key, g.keys)
			}
			seen[key] = true
		}
	})
}

func TestRefusesKeyOfDifferentRequest(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		g.post(t, "ann", "/orders", "k", "{}")
		for what, r := range map[string][2]string{"body": {"/orders", `{"a":1}`}, "query": {"/orders?x=1", "{}"}} {
			status, body, _ := g.post(t, "ann", r[0], "k", r[1])
			if status != http.StatusUnprocessableEntity || !strings.Contains(body, "idempotency_key_reused") {
				t.Errorf("another %s: %d %s", what, status, body)
			}
		}
		if status, body, _ := g.post(t, "ann", "/orders", strings.Repeat("k", maxKey+1), "{}"); status != http.StatusBadRequest {
			t.Errorf("a long key: %d %s", status, body)
		}
		if status, body, _ := g.post(t, "ann", "/orders", "", "{}"); status != http.StatusBadRequest || !strings.Contains(body, "idempotency_key_invalid") {
			t.Errorf("an empty key: %d %s", status, body)
		}
		if g.calls != 1 {
			t.Errorf("the handler ran %d times, want 1", g.calls)
		}
	})
}

func TestRefusesRepetitionWhileFirstIsInProgress(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		entered, leave := make(chan struct{}), make(chan struct{})
		then := g.then
		g.then = func(c echo.Context, call int) error {
			close(entered)
			<-leave
			return then(c, call)
		}
		var first sync.WaitGroup
		first.Go(func() {
			if status, body, _ := g.post(t, "ann", "/orders", "k", "{}"); status != http.StatusCreated {
				t.Errorf("first request: %d %s", status, body)
			}
		})
		<-entered
		for range 5 {
			if status, body, _ := g.post(t, "ann", "/orders", "k", "{}"); status != http.StatusConflict || !strings.Contains(body, "idempotency_key_in_use") {
				t.Errorf("meanwhile: %d %s", status, body)
			}
		}
		close(leave)
		first.Wait()
		if g.calls != 1 {
			t.Errorf("the handler ran %d times, want 1", g.calls)
		}
	})
}

// A repetition within WaitTimeout gets the response of the first request. If the first
// one's process died, the repetition is handled once the claim has expired.
func TestRepetitionWaitsForFirst(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		g.store.WaitTimeout = time.Minute
		entered, leave := make(chan struct{}), make(chan struct{})
		then := g.then
		g.then = func(c echo.Context, call int) error {
			close(entered)
			<-leave
			return then(c, call)
		}
		var both sync.WaitGroup
		post := func(replay string) {
			if status, body, h := g.post(t, "ann", "/orders", "k", "{}"); status != http.StatusCreated || body != "call 1" || h.Get(replayed) != replay {
				t.Errorf("%d %s %v", status, body, h)
			}
		}
		both.Go(func() { post("") })
		<-entered
		both.Go(func() { post("true") })
		time.AfterFunc(2*renewInterval, func() { close(leave) }) // longer than one renewal
		both.Wait()
	})
	each(t, func(t *testing.T, g *gate) {
		g.store.WaitTimeout = time.Minute
		lost := Scope("ann", http.MethodPost, "/orders", "k")
		past := time.Now().UTC().Add(300*time.Millisecond - lockDuration)
		dead := &Store{DB: g.store.DB, Now: func() time.Time { return past }}
		r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader("{}"))
		print, err := fingerprint(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := dead.Claim(t.Context(), lost, print); err != nil {
			t.Fatal(err)
		}
		if status, body, _ := g.post(t, "ann", "/orders", "k", "{}"); status != http.StatusCreated || body != "call 1" {
			t.Errorf("after the first one's process died: %d %s", status, body)
		}
	})
}

// Server errors are not stored; errors of the caller are.
func TestStoresOnlyFinalResponses(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		fails := map[int]func(echo.Context) error{
			1: func(c echo.Context) error { return c.NoContent(http.StatusServiceUnavailable) },
			2: func(echo.Context) error { return errors.New("ours") },
			3: func(echo.Context) error { panic("ours too") },
			4: func(c echo.Context) error { return c.String(http.StatusUnprocessableEntity, "yours") },
		}
		g.then = func(c echo.Context, call int) error { return fails[call](c) }
		for _, want := range []int{503, 500, 500, 422, 422} {
			if status, body, _ := g.post(t, "ann", "/orders", "k", "{}"); status != want {
				t.Errorf("%d %s, want %d", status, body, want)
			}
		}
		if g.calls != 4 {
			t.Errorf("the handler ran %d times, want 4", g.calls)
		}
	})
}

func TestClaimExpires(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		now := time.Now().UTC().Truncate(time.Second)
		s := &Store{DB: conn, Now: func() time.Time { return now }}
		claims := func() string {
			_, _, err := s.Claim(t.Context(), "scope", "request")
			if err == nil {
				return "mine"
			}
			return err.Error()
		}
		if got := claims(); got != "mine" {
			t.Fatal(got)
		}
		now = now.Add(lockDuration - time.Second)
		if got := claims(); !strings.Contains(got, "in_use") {
			t.Error(got)
		}
		now = now.Add(time.Second)
		if got := claims(); got != "mine" {
			t.Error(got)
		}
		if got := claims(); !strings.Contains(got, "in_use") {
			t.Error("second takeover: " + got)
		}
	})
}

func TestPrunesOldResponses(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		now := time.Now().UTC().Truncate(time.Second)
		s := &Store{DB: conn, Now: func() time.Time { return now }}
		for n := range 5 {
			if _, _, err := s.Claim(t.Context(), strconv.Itoa(n), "r"); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Hour)
		}
		now = now.Add(Keep - 2*time.Hour - time.Second) // the last two are younger than Keep
		for want, n := range map[int64]int{2: 2} {
			if got, err := Prune(conn.WithContext(t.Context()), now.Add(-Keep), n); err != nil || got != want {
				t.Errorf("pruned %d, %v; want %d", got, err, want)
			}
		}
		if got, err := Prune(conn.WithContext(t.Context()), now.Add(-Keep), 100); err != nil || got != 1 {
			t.Errorf("pruned %d more, %v; want 1", got, err)
		}
	})
}

// A repetition after a response with no-store gets 409 with the Location of the result.
func TestDoesNotStoreSecretResponses(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		g.then = func(c echo.Context, _ int) error {
			c.Response().Header().Set("Cache-Control", "no-store")
			c.Response().Header().Set("Location", "/keys/1")
			return c.String(http.StatusCreated, "open sesame")
		}
		if status, body, _ := g.post(t, "ann", "/keys", "k", "{}"); status != http.StatusCreated || body != "open sesame" {
			t.Fatalf("first request: %d %s", status, body)
		}
		status, body, header := g.post(t, "ann", "/keys", "k", "{}")
		if status != http.StatusConflict || !strings.Contains(body, `"code":"answer_not_kept"`) || header.Get("Location") != "/keys/1" || header.Get(replayed) != "true" {
			t.Errorf("repetition: %d %s %v", status, body, header)
		}
		if g.calls != 1 {
			t.Errorf("the handler ran %d times, want 1", g.calls)
		}
		var rows []Answer
		if err := g.store.DB.Find(&rows).Error; err != nil || len(rows) != 1 || strings.Contains(string(rows[0].Body), "sesame") {
			t.Errorf("stored: %v %v", rows, err)
		}
	})
}

// Uploads are compared by content, whether chunked or not, and reach the handler
// complete. Temporary files are removed.
func TestRefusesKeyOfDifferentUpload(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	conn := dbtest.SQLite(t, "gateway", os.DirFS(".."))
	g := newGate(t, conn)
	g.then = func(c echo.Context, _ int) error {
		n, err := io.Copy(io.Discard, c.Request().Body)
		if err != nil {
			return err
		}
		return c.String(http.StatusAccepted, strconv.FormatInt(n, 10))
	}
	for _, size := range []int{0, 10, maxMemory, maxMemory + 1, 3 * maxMemory} {
		key := strconv.Itoa(size)
		send := func(fill string, chunked bool) (int, string) {
			body := io.Reader(strings.NewReader(strings.Repeat(fill, size)))
			if chunked {
				body = io.MultiReader(body)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/imports", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(Header, key)
			r.Header.Set("Content-Type", "Text/CSV; charset=utf-8")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body)
			return answer.StatusCode, string(text)
		}
		for _, chunked := range []bool{false, true} {
			if status, body := send("a", chunked); status != http.StatusAccepted || body != key {
				t.Errorf("%d bytes (chunked: %t): %d %s", size, chunked, status, body)
			}
			if status, body := send("b", chunked); size > 0 && (status != http.StatusUnprocessableEntity || !strings.Contains(body, "idempotency_key_reused")) {
				t.Errorf("%d different bytes (chunked: %t): %d %s", size, chunked, status, body)
			}
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

// The response of a request whose caller disconnected is stored and replayed.
func TestFinishesRequestWhenCallerDisconnects(t *testing.T) {
	each(t, func(t *testing.T, g *gate) {
		g.store.WaitTimeout = time.Minute
		entered, leave := make(chan struct{}), make(chan struct{})
		g.then = func(c echo.Context, call int) error {
			if call == 1 {
				close(entered)
				<-leave
			}
			if err := c.Request().Context().Err(); err != nil {
				t.Errorf("the context of call %d ended with its caller: %v", call, err)
			}
			return c.String(http.StatusCreated, strings.Repeat("x", 100_000))
		}
		ctx, hangUp := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+"/keys", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(Header, "k")
		go func() { <-entered; hangUp() }()
		if _, err := http.DefaultClient.Do(r); err == nil {
			t.Error("the disconnected caller got a response")
		}
		close(leave)
		if status, body, h := g.post(t, "", "/keys", "k", "{}"); status != http.StatusCreated || len(body) != 100_000 || h.Get(replayed) != "true" || g.calls != 1 {
			t.Errorf("repetition: %d, %d bytes, %v; the handler ran %d times", status, len(body), h, g.calls)
		}
	})
}

func TestExpiredOwnerDoesNotChangeClaimOfSuccessor(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		now := time.Now().UTC().Truncate(time.Second)
		s := &Store{DB: conn, Now: func() time.Time { return now }}
		late, _, err := s.Claim(t.Context(), "scope", "request")
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(lockDuration)
		mine, _, err := s.Claim(t.Context(), "scope", "request")
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(lockDuration - time.Second)
		for what, err := range map[string]error{
			"renew":   s.Renew(t.Context(), late),
			"release": s.Release(t.Context(), late),
			"finish":  s.Finish(t.Context(), late, http.StatusCreated, http.Header{}, []byte("late")),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		var row Answer
		if err := conn.First(&row).Error; err != nil || row.Owner != mine.owner || row.Status != 0 || !row.LockedUntil.Before(now.Add(lockDuration)) {
			t.Errorf("the claim is %+v, %v", row, err)
		}
		if err := s.Finish(t.Context(), mine, http.StatusCreated, http.Header{}, []byte("mine")); err != nil {
			t.Fatal(err)
		}
		if _, before, err := s.Claim(t.Context(), "scope", "request"); err != nil || before == nil || string(before.Body) != "mine" {
			t.Errorf("stored: %+v, %v", before, err)
		}
	})
}

// The insert commits but reports an error.
func TestReleasesClaimAfterUnknownResult(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		s := &Store{DB: conn}
		fails := conn.Session(&gorm.Session{NewDB: true})
		if err := fails.Callback().Create().After("gorm:commit_or_rollback_transaction").Register("fails", func(tx *gorm.DB) { _ = tx.AddError(errors.New("the context ended")) }); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Claim(t.Context(), "scope", "request"); err == nil {
			t.Fatal("Claim did not fail")
		}
		if err := conn.Callback().Create().Remove("fails"); err != nil {
			t.Fatal(err)
		}
		if _, before, err := s.Claim(t.Context(), "scope", "request"); err != nil || before != nil {
			t.Errorf("next claim: %v, %v", before, err)
		}
	})
}

// After the clock is set back by an hour, a dead owner's claim does not block the key for
// an hour, and a live owner keeps its claim.
func TestTakesOverOnlyDeadClaimsWhenClockIsSetBack(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		past := &Store{DB: conn, Now: func() time.Time { return time.Now().Add(time.Hour).Truncate(time.Microsecond) }}
		if _, _, err := past.Claim(t.Context(), "dead", "request"); err != nil {
			t.Fatal(err)
		}
		live, _, err := past.Claim(t.Context(), "live", "request")
		if err != nil {
			t.Fatal(err)
		}
		ended, renewed := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(renewed)
			for {
				select {
				case <-ended:
					return
				case <-time.After(renewInterval / 4):
					if err := past.Renew(t.Context(), live); err != nil {
						t.Error(err)
					}
				}
			}
		}()
		now := &Store{DB: conn, WaitTimeout: 30 * time.Second}
		if _, before, err := now.Await(t.Context(), "dead", "request"); err != nil || before != nil {
			t.Errorf("the key of a dead owner gives %v, %v", before, err)
		}
		now.WaitTimeout = lockDuration + 2*time.Second
		if _, _, err := now.Await(t.Context(), "live", "request"); !fault.Is(err, fault.Conflict) {
			t.Errorf("the key of a live owner gives %v, want a conflict", err)
		}
		close(ended)
		<-renewed
	})
}
