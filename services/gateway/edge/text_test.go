package edge

import (
	"net/http"
	"strings"
	"testing"
)

// What no database keeps is refused by the gateway, whoever would answer for it.
func TestTextThatIsNone(t *testing.T) {
	seen := &notes{}
	d := opened(t, overHTTP, Config{}, seen.playAll(), withDevRoutes(t))
	for _, ask := range [][2]string{
		{"GET", "/orders/%00"}, {"GET", "/orders/%ff"}, {"GET", "/products?q=%00"}, {"GET", "/products?q=%ff"}, {"GET", "/ops/traces?subject=%00"},
		{"GET", "/ops/audits/%00"}, {"DELETE", "/ops/keys/%00"}, {"DELETE", "/ops/keys/%ff"}, {"GET", "/events?x=%00"}, {"GET", "/nothing/%00"}, {"GET", "/me?%00=1"},
	} {
		d.ask(ask[0], prefix+ask[1], "").refused(t, strings.Join(ask[:], " "), http.StatusBadRequest, "text_malformed")
	}
	for _, body := range []string{`{"name":"a\u0000","roles":["staff"]}`, "{\"name\":\"a\xff\",\"roles\":[\"staff\"]}"} {
		d.ask("POST", prefix+"/ops/keys", body).refused(t, body, http.StatusBadRequest, "text_malformed")
	}
	d.ask("POST", "/dev/token", `{"subject":"a\u0000"}`).refused(t, "a subject", http.StatusBadRequest, "text_malformed")
	if asked := seen.take(); len(asked) != 0 {
		t.Errorf("the services were asked %v", asked)
	}
}

// A body that is packed is refused: nobody unpacks it.
func TestABodyThatIsPacked(t *testing.T) {
	seen := &notes{}
	d := opened(t, overHTTP, Config{}, seen.playAll())
	for _, path := range []string{"/orders", "/imports", "/ops/keys"} {
		d.ask("POST", prefix+path, "{}", "Content-Encoding", "gzip").refused(t, path, http.StatusUnsupportedMediaType, "media_type_unsupported")
	}
	if asked := seen.take(); len(asked) != 0 {
		t.Errorf("the services were asked %v", asked)
	}
	if a := d.ask("POST", prefix+"/orders", "{}", "Content-Encoding", "Identity"); a.status != http.StatusOK {
		t.Errorf("as it is: %d %s", a.status, a.body)
	}
}
