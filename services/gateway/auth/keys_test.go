package auth

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/fault"
)

// each runs a test on both databases.
func each(t *testing.T, test func(t *testing.T, conn *gorm.DB)) {
	t.Helper()
	dbtest.Each(t, "gateway", os.DirFS(".."), test)
}

func newKeys(conn *gorm.DB) *KeyStore { return &KeyStore{DB: conn, Log: slog.New(slog.DiscardHandler)} }

func TestAcceptsKeyUntilItIsRevoked(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB) {
		keys := newKeys(conn)
		row, text, err := keys.Create(t.Context(), KeySpec{Name: "scanner", Roles: []Role{Warehouse}})
		must(t, err)
		a := &Authenticator{Keys: keys}
		caller, err := a.Authenticate(t.Context(), "Bearer "+text)
		must(t, err)
		if caller.Kind != KindKey || caller.Subject != "key-"+row.ID || !caller.Is(Warehouse) || caller.Is(Customer, Staff) {
			t.Errorf("caller %+v", caller)
		}
		list, err := keys.List(t.Context())
		must(t, err)
		if len(list) != 1 || list[0].LastUsedAt == nil || strings.Contains(text, list[0].Hash) || strings.Contains(list[0].Hash, text[len(text)-20:]) {
			t.Errorf("stored as %+v", list)
		}
		for _, wrong := range []string{text + "x", text[:len(text)-1], "qk_", "qk_" + row.ID, "qk_" + row.ID + "_", "qk_none_" + text} {
			if _, err := a.Authenticate(t.Context(), "Bearer "+wrong); codeOf(err) != "key_unknown" {
				t.Errorf("%q: %v", wrong, err)
			}
		}
		first, err := keys.Revoke(t.Context(), row.ID)
		must(t, err)
		if _, err := a.Authenticate(t.Context(), "Bearer "+text); codeOf(err) != "key_revoked" || !fault.Is(err, fault.Unauthorized) {
			t.Errorf("revoked: %v", err)
		}
		again, err := keys.Revoke(t.Context(), row.ID)
		if err != nil || !again.RevokedAt.Equal(*first.RevokedAt) {
			t.Errorf("revoked again: %+v, %v", again, err)
		}
		if _, err := keys.Revoke(t.Context(), "none"); !fault.Is(err, fault.NotFound) {
			t.Errorf("revoking an unknown key: %v", err)
		}
	})
}

func TestRefusesExpiredKey(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB) {
		keys, now := newKeys(conn), time.Now().UTC().Truncate(time.Second)
		keys.Now = func() time.Time { return now }
		end := now.Add(time.Hour)
		_, text, err := keys.Create(t.Context(), KeySpec{Name: "for an hour", Roles: []Role{Customer}, Subject: "ann", ExpiresAt: &end})
		must(t, err)
		now = end.Add(-time.Second)
		caller, err := keys.Caller(t.Context(), text)
		if err != nil || caller.Subject != "ann" || !caller.ExpiresAt.Equal(end) {
			t.Errorf("before its expiry: %+v, %v", caller, err)
		}
		now = end
		if _, err := keys.Caller(t.Context(), text); codeOf(err) != "key_expired" {
			t.Errorf("at its expiry: %v", err)
		}
	})
}

func TestRefusesInvalidKeySpecs(t *testing.T) {
	now := time.Now()
	past, far := now.Add(-time.Second), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -14*3600))
	named := func(name string) KeySpec { return KeySpec{Name: name, Roles: []Role{Staff}} }
	for pointer, n := range map[string]KeySpec{
		"/name":       {Roles: []Role{Staff}},
		" /name":      named("\x1b[31mred"),
		"  /name":     named("two\nlines"),
		"   /name":    named("nothing\x00"),
		"    /name":   named("\xff"),
		"     /name":  named("no letter \ufffd"),
		"      /name": named("turned \u202eround"),
		" /name ":     named(strings.Repeat("ü", 101)),
		"/roles":      {Name: "x"},
		"/subject":    {Name: "x", Roles: []Role{Customer}},
		"/subject ":   {Name: "x", Roles: []Role{Staff}, Subject: "ann"},
		"/subject  ":  {Name: "x", Roles: []Role{Customer}, Subject: "a/b"},
		"/subject .":  {Name: "x", Roles: []Role{Customer}, Subject: "."},
		"/subject ..": {Name: "x", Roles: []Role{Customer}, Subject: ".."},
		"/expires_at": {Name: "x", Roles: []Role{Staff}, ExpiresAt: &past},
		// The year 10000 in UTC, which RFC 3339 cannot represent.
		"/expires_at ": {Name: "x", Roles: []Role{Staff}, ExpiresAt: &far},
	} {
		err := n.Validate(now)
		f, is := err.(*fault.Fault) //nolint:errorlint // it is one, or the test fails
		if !is || f.Fields[0].Pointer != strings.Trim(pointer, " .") {
			t.Errorf("%+v: %v, want %s", n, err, pointer)
		}
	}
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, n := range []KeySpec{named(strings.Repeat("ü", 100)), named("Scanner 3, \"Tor Süd\" \\ 倉庫"), {Name: "x", Roles: []Role{Staff}, ExpiresAt: &last}} {
		if err := n.Validate(now); err != nil {
			t.Errorf("%+v: %v", n, err)
		}
	}
	if _, err := ParseRoles([]string{"staff", "king"}); codeOf(err) != "role_unknown" {
		t.Errorf("unknown role: %v", err)
	}
}

// The second sign-in stands for a restarted process, or another one on the same database.
func TestDevelopmentTokensOutliveTheProcess(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB) {
		first, err := NewDevSignIn(t.Context(), conn)
		must(t, err)
		second, err := NewDevSignIn(t.Context(), conn)
		must(t, err)
		token, issued, err := first.Issue("ann", []Role{Staff})
		must(t, err)
		a := &Authenticator{Tokens: []*Tokens{second.Tokens}}
		caller, err := a.Authenticate(t.Context(), "Bearer "+token)
		must(t, err)
		if caller.Kind != KindDev || caller.Subject != "ann" || !caller.Is(Staff) || !caller.Is(Customer) || caller.Is(Warehouse) || issued.ID() != caller.ID() {
			t.Errorf("caller %+v, issued to %+v", caller, issued)
		}
		for _, none := range []string{"ann bob", ".", "..", "", "ann\n"} {
			if _, _, err := first.Issue(none, nil); codeOf(err) != "subject_invalid" {
				t.Errorf("the name %q: %v", none, err)
			}
		}
		if _, err := tokensOf(t, first.Tokens.cfg.Keys).Authenticate(t.Context(), "Bearer "+token); codeOf(err) != "token_invalid" {
			t.Errorf("with a configured issuer: %v", err)
		}
	})
}

func TestRefusesMalformedKeysWithoutQuery(t *testing.T) {
	var log strings.Builder
	a := &Authenticator{Keys: &KeyStore{Log: slog.New(slog.NewTextHandler(&log, nil))}} // without a database: a query panics
	id, secret := strings.Repeat("a", 16), strings.Repeat("a", 52)
	for _, text := range []string{
		"qk_\xff_b", "qk_" + id + "_" + secret[1:], "qk_" + id + "_" + secret + "a", "qk_" + id[1:] + "_" + secret, "qk_" + id + secret,
		"qk_" + strings.Repeat("A", 16) + "_" + secret, "qk_" + id + "_" + strings.Repeat("1", 52), "qk_" + id + "\x00_" + secret,
		"qk_' OR 1=1 --_x", "qk_" + strings.Repeat("a", 1<<20),
	} {
		if _, err := a.Authenticate(t.Context(), "Bearer "+text); codeOf(err) != "key_unknown" || !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	for _, id := range []string{"", "\xff", "a\x00", "../../healthz", strings.Repeat("a", 17)} {
		if _, err := a.Keys.Revoke(t.Context(), id); codeOf(err) != "key_unknown" || !fault.Is(err, fault.NotFound) {
			t.Errorf("revoking %q: %v", id, err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", &log)
	}
}

func TestGeneratedKeysMatchThePattern(t *testing.T) {
	for range 100 {
		row, text := KeySpec{Name: "x", Roles: []Role{Staff}}.generate(time.Now())
		if !keyPattern.MatchString(text) || !idPattern.MatchString(row.ID) {
			t.Fatalf("%s of %s", text, row.ID)
		}
	}
}
