package edge

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/idempotency"
)

// A key is known to its owner and to nobody else: what is kept under an
// Idempotency-Key is that it was made.
func TestAKeyIsKeptNowhere(t *testing.T) {
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
