package edge

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/idempotency"
)

// withKeys has the gateway authenticate callers by real keys instead of the tests'
// tokens.
func withKeys(c *Config) {
	c.Authenticate = (&auth.Authenticator{Keys: c.Keys}).Authenticate
}

// staffed returns a gateway that accepts only keys, and a key with the role staff.
func staffed(t *testing.T) (*testGateway, auth.Keyring, []string) {
	t.Helper()
	var ring auth.Keyring
	d := opened(t, overHTTP, Config{}, nil, withKeys, func(c *Config) { ring = auth.LocalKeys{Store: c.Keys} })
	staff, err := ring.Create(t.Context(), auth.KeyRequest{Name: "staff", Roles: []string{"staff"}})
	if err != nil {
		t.Fatal(err)
	}
	return d, ring, as(staff.Key)
}

func read[T any](t testing.TB, a answer, status int) (body T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != status {
		t.Fatalf("it is %d %s (%v), want %d", a.status, a.body, err, status)
	}
	return body
}

func TestManagesKeysOverTheAPI(t *testing.T) {
	d, _, staff := staffed(t)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	a := d.ask("POST", prefix+"/ops/keys", `{"name":"scanner","roles":["warehouse","warehouse"],"expires_at":"`+end.Format(time.RFC3339)+`"}`, staff...)
	made := read[auth.Key](t, a, http.StatusCreated)
	if !strings.HasPrefix(made.Key, "qk_"+made.ID+"_") || a.header.Get("Location") != prefix+"/ops/keys/"+made.ID || a.header.Get("Cache-Control") != "no-store" ||
		strings.Join(made.Roles, ",") != "warehouse" || made.ExpiresAt == nil || !made.ExpiresAt.Equal(end) {
		t.Errorf("made is %+v, %v", made, a.header)
	}
	who := read[me](t, d.ask("GET", prefix+"/me", "", as(made.Key)...), http.StatusOK)
	if who.Subject != "key-"+made.ID || who.Kind != auth.KindKey || who.ExpiresAt == nil {
		t.Errorf("it is %+v", who)
	}
	d.ask("GET", prefix+"/ops/keys", "", as(made.Key)...).refused(t, "a list for the warehouse", http.StatusForbidden, "role_required")
	d.ask("GET", prefix+"/ops/keys", "", "Authorization", "").refused(t, "a list for anybody", http.StatusUnauthorized, "token_required")
	a = d.ask("GET", prefix+"/ops/keys", "", staff...)
	list := read[auth.KeyList](t, a, http.StatusOK)
	if len(list.Items) != 2 || list.Items[1].ID != made.ID || list.Items[1].LastUsedAt == nil || strings.Contains(a.body, `"key"`) || strings.Contains(strings.ToLower(a.body), "hash") {
		t.Errorf("listed is %s", a.body)
	}
	for range 2 { // again changes nothing
		if k := read[auth.Key](t, d.ask("DELETE", prefix+"/ops/keys/"+made.ID, "", staff...), http.StatusOK); k.RevokedAt == nil {
			t.Errorf("revoked is %+v", k)
		}
	}
	d.ask("GET", prefix+"/me", "", as(made.Key)...).refused(t, "a revoked key", http.StatusUnauthorized, "key_revoked")
	d.ask("DELETE", prefix+"/ops/keys/nosuch", "", staff...).refused(t, "one that is not there", http.StatusNotFound, "key_unknown")
}

func TestRefusesInvalidKeyRequests(t *testing.T) {
	d, ring, staff := staffed(t)
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"name":"x","roles":["boss"]}`:                                           {422, "role_unknown"},
		`{"name":"x","roles":[]}`:                                                 {422, "key_invalid"},
		`{"name":"x"}`:                                                            {422, "key_invalid"},
		`{"roles":["staff"]}`:                                                     {422, "key_invalid"},
		`{"name":"x","roles":["customer"]}`:                                       {422, "key_invalid"},
		`{"name":"x","roles":["staff"],"subject":"ann"}`:                          {422, "key_invalid"},
		`{"name":"x","roles":["customer"],"subject":"a b"}`:                       {422, "key_invalid"},
		`{"name":"x","roles":["staff"],"expires_at":"2020-01-01T00:00:00Z"}`:      {422, "key_invalid"},
		`{"name":"x","roles":["staff"],"expires_at":"9999-12-31T23:59:59-14:00"}`: {422, "key_invalid"},
		`{"name":"x\u001b[31m","roles":["staff"]}`:                                {422, "key_invalid"},
		`{"name":"x\u0000","roles":["staff"]}`:                                    {400, "text_malformed"},
		"{\"name\":\"x\xff\",\"roles\":[\"staff\"]}":                              {400, "text_malformed"},
		`{"name":"x","roles":["customer"],"subject":".."}`:                        {422, "key_invalid"},
		`{"name":"x","roles":["staff"],"expires_at":"soon"}`:                      {400, "body_invalid"},
		`{"name":"x","roles":["staff"],"id":"mine"}`:                              {400, "body_invalid"},
		`{"name":"x","roles":["staff"]} {}`:                                       {400, "body_invalid"},
		`{"name":"x","roles":["staff"]`:                                           {400, "body_invalid"},
		`[]`:                                                                      {400, "body_invalid"},
		`null`:                                                                    {422, "key_invalid"},
	} {
		d.ask("POST", prefix+"/ops/keys", body, staff...).refused(t, body, want.status, want.code)
	}
	a := d.ask("POST", prefix+"/ops/keys", `{"name":"x","roles":["staff"]}`, append(staff, "Content-Type", "")...)
	if a.status != http.StatusUnsupportedMediaType {
		t.Errorf("without a type: %d %s", a.status, a.body)
	}
	d.ask("DELETE", prefix+"/ops/keys/%00", "", staff...).refused(t, "one of no name", http.StatusBadRequest, "text_malformed")
	if a := d.ask("GET", prefix+"/ops/keys", "", staff...); a.status != http.StatusOK {
		t.Errorf("the list is %d %s", a.status, a.body)
	}
	if all, err := ring.Keys(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("there are %+v, %v", all, err)
	}
}

// A command gets the same results from a running gateway as from the database.
func TestRemoteAndLocalKeyringsAreEqual(t *testing.T) {
	d, kept, staff := staffed(t)
	asked := auth.RemoteKeys{URL: d.url + prefix, HTTP: &http.Client{Transport: signed{d.http.Transport, staff[1]}}}
	for _, ring := range []auth.Keyring{kept, asked} {
		made, err := ring.Create(t.Context(), auth.KeyRequest{Name: "x", Roles: []string{"customer"}, Subject: "ann"})
		if err != nil || made.Key == "" || made.Subject != "ann" {
			t.Errorf("made is %+v, %v", made, err)
		}
		if gone, err := ring.Revoke(t.Context(), made.ID); err != nil || gone.RevokedAt == nil {
			t.Errorf("revoked is %+v, %v", gone, err)
		}
		if _, err := ring.Create(t.Context(), auth.KeyRequest{Name: "x", Roles: []string{"boss"}}); err == nil || !strings.Contains(err.Error(), "role_unknown") {
			t.Errorf("one that cannot be: %v", err)
		}
		if _, err := ring.Revoke(t.Context(), "a/b"); err == nil || !strings.Contains(err.Error(), "key_unknown") {
			t.Errorf("one that is not there: %v", err)
		}
	}
	one, err := kept.Keys(t.Context())
	other, err2 := asked.Keys(t.Context())
	if err != nil || err2 != nil || !reflect.DeepEqual(one, other) || len(one) != 3 {
		t.Errorf("local %+v (%v), remote %+v (%v)", one, err, other, err2)
	}
}

// signed is a transport that adds an Authorization header.
type signed struct {
	next   http.RoundTripper
	header string
}

func (s signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", s.header)
	return s.next.RoundTrip(r)
}

// The response stored under an Idempotency-Key does not contain the key.
func TestDoesNotStoreKeyText(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{}, nil)
	ask := func() answer {
		return d.ask(http.MethodPost, prefix+"/ops/keys", `{"name":"scanner","roles":["warehouse"]}`, "Idempotency-Key", "k")
	}
	var made auth.Key
	if first := ask(); first.status != http.StatusCreated || json.Unmarshal([]byte(first.body), &made) != nil || made.Key == "" {
		t.Fatalf("a key is made: %d %s", first.status, first.body)
	}
	again := ask()
	again.refused(t, "the same again", http.StatusConflict, "answer_not_kept")
	if again.header.Get("Location") != prefix+"/ops/keys/"+made.ID {
		t.Errorf("the same again does not say which key it made: %v", again.header)
	}
	var kept []idempotency.Answer
	if err := d.db.Find(&kept).Error; err != nil || len(kept) != 1 {
		t.Fatalf("%d answers are kept: %v", len(kept), err)
	}
	if secret := made.Key[strings.LastIndexByte(made.Key, '_')+1:]; strings.Contains(string(kept[0].Body), secret) || strings.Contains(again.body, secret) {
		t.Errorf("the key is kept: %s", kept[0].Body)
	}
}
