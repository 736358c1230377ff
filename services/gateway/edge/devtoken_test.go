package edge

import (
	"net/http"
	"strings"
	"testing"

	"quadrille/services/gateway/auth"
)

// withDev enables the development sign-in and accepts its tokens.
func withDev(t *testing.T) func(*Config) {
	t.Helper()
	return func(c *Config) {
		dev, err := auth.NewDevSignIn(t.Context(), c.Keys.DB)
		if err != nil {
			t.Fatal(err)
		}
		c.Dev = dev
		c.Authenticate = (&auth.Authenticator{Keys: c.Keys, Tokens: []*auth.Tokens{dev.Tokens}}).Authenticate
	}
}

// withDevRoutes enables the development sign-in without accepting its tokens.
func withDevRoutes(t *testing.T) func(*Config) {
	t.Helper()
	return func(c *Config) {
		dev, err := auth.NewDevSignIn(t.Context(), c.Keys.DB)
		if err != nil {
			t.Fatal(err)
		}
		c.Dev = dev
	}
}

func TestDevelopmentSignIn(t *testing.T) {
	d := opened(t, overHTTP, Config{}, nil, withDev(t))
	if a := d.ask("GET", "/dev/token", "", "Authorization", ""); a.status != http.StatusOK || !strings.Contains(a.body, `"subjects":[{`) {
		t.Errorf("it is %d %s", a.status, a.body)
	}
	for body, want := range map[string]string{
		`{"subject":"ann"}`: "[customer]",
		`{"subject":"walt","roles":["warehouse","customer","warehouse"]}`: "[customer warehouse]",
		`{"subject":"stella","roles":["staff"]}`:                          "[customer staff]",
	} {
		signed := read[struct {
			Token string
			me
		}](t, d.ask("POST", "/dev/token", body, "Authorization", ""), http.StatusOK)
		who := read[me](t, d.ask("GET", prefix+"/me", "", as(signed.Token)...), http.StatusOK)
		if who.Kind != auth.KindDev || who.Subject != signed.Subject || who.ExpiresAt == nil || signed.ExpiresAt == nil || !who.ExpiresAt.Equal(*signed.ExpiresAt) {
			t.Errorf("signed in is %+v, known as %+v", signed, who)
		}
		if roles := strings.ReplaceAll(strings.Join(names(who.Roles), " "), ",", " "); "["+roles+"]" != want {
			t.Errorf("%s has roles %s, want %s", body, roles, want)
		}
	}
}

func names(roles []auth.Role) (all []string) {
	for _, r := range roles {
		all = append(all, string(r))
	}
	return all
}

func TestRefusesInvalidSignIns(t *testing.T) {
	d := opened(t, overHTTP, Config{}, nil, withDev(t))
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"subject":"ann","roles":["boss"]}`: {422, "role_unknown"},
		`{"subject":""}`:                     {422, "subject_invalid"},
		`{}`:                                 {422, "subject_invalid"},
		`{"subject":"a b"}`:                  {422, "subject_invalid"},
		`{"subject":"../ann"}`:               {422, "subject_invalid"},
		`{"subject":"."}`:                    {422, "subject_invalid"},
		`{"subject":".."}`:                   {422, "subject_invalid"},
		`{"subject":"ann","kind":"key"}`:     {400, "body_invalid"},
		`{"subject":"ann"}{"subject":"bob"}`: {400, "body_invalid"},
		`{"subject":`:                        {400, "body_invalid"},
		`{"subject":1}`:                      {400, "body_invalid"},
		`subject=ann`:                        {400, "body_invalid"},
		`{"subject":"ann","roles":"staff"}`:  {400, "body_invalid"},
	} {
		d.ask("POST", "/dev/token", body, "Authorization", "").refused(t, body, want.status, want.code)
	}
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonp"} { // what a page may send anywhere
		r := d.request("POST", "/dev/token", `{"subject":"ann"}`)
		r.Header.Set("Content-Type", media)
		if a := d.do(r); a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s gives %d %s", media, a.status, a.body)
		}
	}
	r := d.request("POST", "/dev/token", `{"subject":"ann"}`)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if a := d.do(r); a.status != http.StatusOK {
		t.Errorf("with a charset: %d %s", a.status, a.body)
	}
	large := `{"subject":"` + strings.Repeat("a", 2*maxJSON) + `"}`
	d.ask("POST", "/dev/token", large).refused(t, "a large body", http.StatusRequestEntityTooLarge, "body_too_large")
}

// DNS rebinding: a web page whose name resolves to this machine cannot sign in.
func TestRefusesSignInByHostName(t *testing.T) {
	d := opened(t, overHTTP, Config{}, nil, withDev(t))
	for host, in := range map[string]bool{
		"localhost": true, "localhost:8080": true, "Localhost": true, "127.0.0.1": true, "127.0.0.1:8080": true, "[::1]": true, "[::1]:8080": true, "192.0.2.1": true,
		"rebound.example": false, "rebound.example:8080": false, "localhost.rebound.example": false, "127.0.0.1.rebound.example": false, "": false, "localhost.": false,
	} {
		for request, want := range map[string]string{
			"GET /dev/token HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n":                                                                               "subjects",
			"POST /dev/token HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"subject\":\"ann\"}": "token",
		} {
			said := d.raw(request)
			if strings.HasPrefix(said, "HTTP/1.1 200 ") != in || strings.Contains(said, `"`+want+`":`) != in || !in && !strings.Contains(said, "host_unknown") {
				t.Errorf("by the name %q: %s", host, said)
			}
		}
	}
}

func TestHasNoSignInByDefault(t *testing.T) {
	d := opened(t, overHTTP, Config{}, nil)
	for _, method := range []string{"GET", "POST"} {
		d.ask(method, "/dev/token", `{"subject":"ann"}`).refused(t, method, http.StatusNotFound, "path_unknown")
	}
}
