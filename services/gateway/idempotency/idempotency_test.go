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
)

// door is a server with the middleware before a handler that counts.
type door struct {
	*httptest.Server

	store *Store
	mu    sync.Mutex
	calls int
	keys  []string // that the handler was sent
	then  func(c echo.Context, call int) error
}

type nameKey struct{}

func newDoor(t *testing.T, conn *gorm.DB) *door {
	t.Helper()
	d := &door{store: &Store{DB: conn, WaitTimeout: time.Millisecond}, then: func(c echo.Context, call int) error {
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
	}, Outlive, Middleware(d.store, func(ctx context.Context) string { return ctx.Value(nameKey{}).(string) }))
	e.Any("/*", func(c echo.Context) error {
		d.mu.Lock()
		d.calls++
		call := d.calls
		d.keys = append(d.keys, c.Request().Header.Get(Header))
		d.mu.Unlock()
		return d.then(c, call)
	})
	d.Server = httptest.NewServer(e)
	t.Cleanup(d.Close)
	return d
}

// post is status, body and header of what a POST is answered.
func (d *door) post(t *testing.T, name, path, key, body string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+path, strings.NewReader(body))
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

func each(t *testing.T, test func(t *testing.T, d *door)) {
	t.Helper()
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) { test(t, newDoor(t, conn)) })
}

func TestTheSameAgainIsAnsweredAsBefore(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		for n := range 3 {
			status, body, h := d.post(t, "ann", "/orders", "k", "{}")
			if status != http.StatusCreated || body != "call 1" || h.Get("Location") != "/orders/1" || (h.Get(replayed) == "true") != (n > 0) {
				t.Errorf("request %d: %d %q %v", n+1, status, body, h)
			}
			if (h.Get("X-Secret") != "") != (n == 0) {
				t.Errorf("request %d has another's header", n+1)
			}
		}
		for what, other := range map[string][3]string{"another caller": {"bob", "/orders", "k"}, "another route": {"ann", "/receipts", "k"}, "another key": {"ann", "/orders", "l"}} {
			if status, body, _ := d.post(t, other[0], other[1], other[2], "{}"); status != http.StatusCreated || body == "call 1" {
				t.Errorf("%s: %d %q", what, status, body)
			}
		}
		seen := map[string]bool{}
		for _, key := range d.keys {
			if seen[key] || len(key) != 64 {
				t.Errorf("the service was sent the key %q, of %v", key, d.keys)
			}
			seen[key] = true
		}
	})
}

func TestAnotherRequestWithTheKeyIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.post(t, "ann", "/orders", "k", "{}")
		for what, r := range map[string][2]string{"body": {"/orders", `{"a":1}`}, "query": {"/orders?x=1", "{}"}} {
			status, body, _ := d.post(t, "ann", r[0], "k", r[1])
			if status != http.StatusUnprocessableEntity || !strings.Contains(body, "idempotency_key_reused") {
				t.Errorf("another %s: %d %s", what, status, body)
			}
		}
		if status, body, _ := d.post(t, "ann", "/orders", strings.Repeat("k", maxKey+1), "{}"); status != http.StatusBadRequest {
			t.Errorf("a long key: %d %s", status, body)
		}
		if status, body, _ := d.post(t, "ann", "/orders", "", "{}"); status != http.StatusBadRequest || !strings.Contains(body, "idempotency_key_invalid") {
			t.Errorf("an empty key: %d %s", status, body)
		}
		if d.calls != 1 {
			t.Errorf("%d requests came through", d.calls)
		}
	})
}

// While the first is worked on, the same is told to wait; of many at once one is
// worked on.
func TestTheSameAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		entered, leave := make(chan struct{}), make(chan struct{})
		then := d.then
		d.then = func(c echo.Context, call int) error {
			close(entered)
			<-leave
			return then(c, call)
		}
		var first sync.WaitGroup
		first.Go(func() {
			if status, body, _ := d.post(t, "ann", "/orders", "k", "{}"); status != http.StatusCreated {
				t.Errorf("the first: %d %s", status, body)
			}
		})
		<-entered
		for range 5 {
			if status, body, _ := d.post(t, "ann", "/orders", "k", "{}"); status != http.StatusConflict || !strings.Contains(body, "idempotency_key_in_use") {
				t.Errorf("meanwhile: %d %s", status, body)
			}
		}
		close(leave)
		first.Wait()
		if d.calls != 1 {
			t.Errorf("%d came through", d.calls)
		}
	})
}

// Whoever can wait gets the answer of the first; so does who sends again what was
// lost with the process that worked on it.
func TestWaitingForTheFirst(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.store.WaitTimeout = time.Minute
		entered, leave := make(chan struct{}), make(chan struct{})
		then := d.then
		d.then = func(c echo.Context, call int) error {
			close(entered)
			<-leave
			return then(c, call)
		}
		var both sync.WaitGroup
		ask := func(replay string) {
			if status, body, h := d.post(t, "ann", "/orders", "k", "{}"); status != http.StatusCreated || body != "call 1" || h.Get(replayed) != replay {
				t.Errorf("%d %s %v", status, body, h)
			}
		}
		both.Go(func() { ask("") })
		<-entered
		both.Go(func() { ask("true") })
		time.AfterFunc(2*renewInterval, func() { close(leave) }) // longer than one renewal
		both.Wait()
	})
	each(t, func(t *testing.T, d *door) {
		d.store.WaitTimeout = time.Minute
		lost := Scope("ann", http.MethodPost, "/orders", "k")
		past := time.Now().UTC().Add(300*time.Millisecond - lockDuration)
		dead := &Store{DB: d.store.DB, Now: func() time.Time { return past }}
		r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader("{}"))
		print, err := fingerprint(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := dead.Claim(t.Context(), lost, print); err != nil {
			t.Fatal(err)
		}
		if status, body, _ := d.post(t, "ann", "/orders", "k", "{}"); status != http.StatusCreated || body != "call 1" {
			t.Errorf("after its process died: %d %s", status, body)
		}
	})
}

// What failed on our side is not the last word; what the caller did wrong is.
func TestWhatIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		fails := map[int]func(echo.Context) error{
			1: func(c echo.Context) error { return c.NoContent(http.StatusServiceUnavailable) },
			2: func(echo.Context) error { return errors.New("ours") },
			3: func(echo.Context) error { panic("ours too") },
			4: func(c echo.Context) error { return c.String(http.StatusUnprocessableEntity, "yours") },
		}
		d.then = func(c echo.Context, call int) error { return fails[call](c) }
		for _, want := range []int{503, 500, 500, 422, 422} {
			if status, body, _ := d.post(t, "ann", "/orders", "k", "{}"); status != want {
				t.Errorf("%d %s, want %d", status, body, want)
			}
		}
		if d.calls != 4 {
			t.Errorf("%d came through, want 4", d.calls)
		}
	})
}

// A process that died in the middle does not hold the key for ever.
func TestAClaimEnds(t *testing.T) {
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
			t.Error("taken over by two: " + got)
		}
	})
}

func TestAnswersArePruned(t *testing.T) {
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
			if got, err := s.Prune(t.Context(), n); err != nil || got != want {
				t.Errorf("pruned %d, %v; want %d", got, err, want)
			}
		}
		if got, err := s.Prune(t.Context(), 100); err != nil || got != 1 {
			t.Errorf("pruned %d more, %v; want 1", got, err)
		}
	})
}

// An answer that must not be stored is not: who asks again is told that it was done,
// and where.
func TestASecretAnswerIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.then = func(c echo.Context, _ int) error {
			c.Response().Header().Set("Cache-Control", "no-store")
			c.Response().Header().Set("Location", "/keys/1")
			return c.String(http.StatusCreated, "open sesame")
		}
		if status, body, _ := d.post(t, "ann", "/keys", "k", "{}"); status != http.StatusCreated || body != "open sesame" {
			t.Fatalf("the first is answered %d %s", status, body)
		}
		status, body, header := d.post(t, "ann", "/keys", "k", "{}")
		if status != http.StatusConflict || !strings.Contains(body, `"code":"answer_not_kept"`) || header.Get("Location") != "/keys/1" || header.Get(replayed) != "true" {
			t.Errorf("the second is answered %d %s %v", status, body, header)
		}
		if d.calls != 1 {
			t.Errorf("it was done %d times", d.calls)
		}
		var rows []Answer
		if err := d.store.DB.Find(&rows).Error; err != nil || len(rows) != 1 || strings.Contains(string(rows[0].Body), "sesame") {
			t.Errorf("what is kept is %v %v", rows, err)
		}
	})
}

// Files are told apart by what is in them, however they come, and arrive whole.
func TestAnotherFileWithTheKeyIsRefused(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	conn := dbtest.SQLite(t, "gateway", os.DirFS(".."))
	d := newDoor(t, conn)
	d.then = func(c echo.Context, _ int) error {
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
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+"/imports", body)
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
				t.Errorf("another %d bytes (chunked: %t): %d %s", size, chunked, status, body)
			}
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// A caller that leaves in the middle does not undo what was done: who sends the same
// again is answered by it.
func TestACallerThatLeaves(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.store.WaitTimeout = time.Minute
		entered, leave := make(chan struct{}), make(chan struct{})
		d.then = func(c echo.Context, call int) error {
			if call == 1 {
				close(entered)
				<-leave
			}
			if err := c.Request().Context().Err(); err != nil {
				t.Errorf("call %d ends with its caller: %v", call, err)
			}
			return c.String(http.StatusCreated, strings.Repeat("x", 100_000))
		}
		ctx, hangUp := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/keys", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(Header, "k")
		go func() { <-entered; hangUp() }()
		if _, err := http.DefaultClient.Do(r); err == nil {
			t.Error("it was answered")
		}
		close(leave)
		if status, body, h := d.post(t, "", "/keys", "k", "{}"); status != http.StatusCreated || len(body) != 100_000 || h.Get(replayed) != "true" || d.calls != 1 {
			t.Errorf("sent again: %d, %d bytes, %v; it was done %d times", status, len(body), h, d.calls)
		}
	})
}

// Who stalled past its claim has lost it, and does nothing to whoever took over.
func TestAClaimThatWasTakenOver(t *testing.T) {
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
			t.Errorf("kept is %+v, %v", before, err)
		}
	})
}

// A claim that was made although its maker was told of a failure is given back.
func TestAClaimNobodyKnowsOf(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		s := &Store{DB: conn}
		fails := conn.Session(&gorm.Session{NewDB: true})
		if err := fails.Callback().Create().After("gorm:commit_or_rollback_transaction").Register("fails", func(tx *gorm.DB) { _ = tx.AddError(errors.New("the context ended")) }); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Claim(t.Context(), "scope", "request"); err == nil {
			t.Fatal("it did not fail")
		}
		if err := conn.Callback().Create().Remove("fails"); err != nil {
			t.Fatal(err)
		}
		if _, before, err := s.Claim(t.Context(), "scope", "request"); err != nil || before != nil {
			t.Errorf("then: %v, %v", before, err)
		}
	})
}
