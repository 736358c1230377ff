package auth

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"quadrille/pkg/fault"
)

func TestNamesTheInvalidClaim(t *testing.T) {
	key := rsaKey(t)
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	tokens, err := NewTokens(TokensConfig{
		Keys: Fixed(setOf(t, public(t, key, nil))), Issuer: iss, Audience: aud, Algorithms: []string{"RS256"}, Kind: KindUser,
		now: func() time.Time { return now },
	})
	must(t, err)
	a := &Authenticator{Tokens: []*Tokens{tokens}}
	at := func(after time.Duration) string { return strconv.FormatInt(now.Add(after).Unix(), 10) }
	for changed, want := range map[string]string{
		`"exp":` + at(time.Hour):       "",
		`"exp":` + at(-29*time.Second): "",
		`"exp":` + at(time.Hour) + `.5,"nbf":` + at(29*time.Second) + `,"iat":` + at(29*time.Second): "",
		`"exp":` + at(-30*time.Second): "token_expired",
		`"exp":0`:                      "token_expired",
		`"exp":-1`:                     "token_expired",
		`"exp":-1e300`:                 "token_expired",
		`"exp":-62135596800`:           "token_expired",
		`"exp":true`:                   "token_invalid its expiry (exp) is not a number",
		`"exp":"1795753472"`:           "token_invalid its expiry (exp) is not a number",
		`"exp":[1795753472]`:           "token_invalid its expiry (exp) is not a number",
		`"exp":1e999`:                  "token_invalid its expiry (exp) is not a number",
		`"exp":253402300800`:           "token_invalid its expiry (exp) is not a number of seconds since 1970: it lies after the year 9999; is it in milliseconds?",
		`"exp":1795753472000`:          "token_invalid is it in milliseconds?",
		`"exp":253402300799`:           "",
		`"exp":null`:                   "token_invalid it has no expiry (exp)",
		`"EXP":1795753472`:             "token_invalid it has no expiry (exp)",
		`"exp":` + at(time.Hour) + `,"nbf":` + at(31*time.Second):      "token_invalid it is not valid yet (nbf)",
		`"exp":` + at(time.Hour) + `,"nbf":"soon"`:                     "token_invalid its start (nbf) is not a number",
		`"exp":` + at(time.Hour) + `,"iat":` + at(31*time.Second):      "token_invalid it was issued in the future (iat)",
		`"exp":` + at(time.Hour) + `,"iat":1764244800000`:              "token_invalid its time of issue (iat)",
		`"exp":` + at(time.Hour) + `,"aud":"bank"`:                     "token_invalid another audience",
		`"exp":` + at(time.Hour) + `,"aud":null`:                       "token_invalid another audience",
		`"exp":` + at(time.Hour) + `,"aud":7`:                          "token_invalid another audience",
		`"exp":` + at(time.Hour) + `,"aud":"shop"`:                     "",
		`"exp":` + at(time.Hour) + `,"aud":["bank","shop",7]`:          "",
		`"exp":` + at(time.Hour) + `,"iss":"https://else.example"`:     "token_invalid issuer (iss) is not accepted",
		`"exp":` + at(time.Hour) + `,"iss":["` + iss + `"]`:            "token_invalid issuer (iss) is not accepted",
		`"exp":` + at(time.Hour) + `,"sub":"."`:                        "token_invalid its subject (sub) is not 1 to 64",
		`"exp":` + at(time.Hour) + `,"sub":".."`:                       "token_invalid its subject (sub) is not 1 to 64",
		`"exp":` + at(time.Hour) + `,"sub":"..."`:                      "",
		`"exp":` + at(time.Hour) + `,"sub":"ann\n"`:                    "token_invalid its subject",
		`"exp":` + at(time.Hour) + `,"sub":17850`:                      "token_invalid its subject",
		`"exp":` + at(time.Hour) + `,"sub":"bob","SUB":"ann","Sub":""`: "",
	} {
		payload := `{"iss":"` + iss + `","aud":"` + aud + `","sub":"ann",` + changed + `}`
		caller, err := a.Authenticate(t.Context(), "Bearer "+byHand(t, key, "RS256", `{"alg":"RS256"}`, payload))
		code, detail, _ := strings.Cut(want, " ")
		switch {
		case want == "" && (err != nil || caller.Anonymous()):
			t.Errorf("%s: %v, want a caller", changed, err)
		case want != "" && (!fault.Is(err, fault.Unauthorized) || codeOf(err) != code || !strings.Contains(err.Error(), detail)):
			t.Errorf("%s: %v, want %s", changed, err, want)
		}
		if _, err := json.Marshal(caller.ExpiresAt); err != nil {
			t.Errorf("%s: the expiry cannot be encoded: %v", changed, err)
		}
	}
	for _, payload := range []string{`null`, `[]`, `"x"`, `7`, `{"iss":`, ``} {
		if _, err := a.Authenticate(t.Context(), "Bearer "+byHand(t, key, "RS256", `{"alg":"RS256"}`, payload)); codeOf(err) != "token_invalid" || !strings.Contains(err.Error(), "not a JSON Web Token") {
			t.Errorf("claims %q: %v", payload, err)
		}
	}
}

func TestRefusesCredentialsFromGoodUntilOn(t *testing.T) {
	key, now := rsaKey(t), time.Now().UTC().Truncate(time.Second)
	tokens, err := NewTokens(TokensConfig{
		Keys: Fixed(setOf(t, public(t, key, nil))), Issuer: iss, Audience: aud, Algorithms: []string{"RS256"}, Kind: KindUser,
		now: func() time.Time { return now },
	})
	must(t, err)
	end := now.Add(time.Hour)
	payload := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"ann","exp":%d}`, iss, aud, end.Unix())
	token := byHand(t, key, "RS256", `{"alg":"RS256"}`, payload)
	caller, err := tokens.Caller(t.Context(), token)
	if err != nil || !caller.ExpiresAt.Equal(end) || !caller.GoodUntil().Equal(end.Add(skew)) {
		t.Errorf("token that expires at %s: %+v, %v, GoodUntil %s", end, caller, err, caller.GoodUntil())
	}
	now = caller.GoodUntil().Add(-time.Nanosecond)
	if _, err := tokens.Caller(t.Context(), token); err != nil {
		t.Errorf("just before GoodUntil: %v", err)
	}
	now = caller.GoodUntil()
	if _, err := tokens.Caller(t.Context(), token); codeOf(err) != "token_expired" {
		t.Errorf("at GoodUntil: %v, want token_expired", err)
	}
	for what, c := range map[string]struct {
		caller Caller
		want   time.Time
	}{
		"API key":                {Caller{Kind: KindKey, ExpiresAt: end}, end},
		"API key without expiry": {Caller{Kind: KindKey}, time.Time{}},
		"development token":      {Caller{Kind: KindDev, ExpiresAt: end}, end.Add(skew)},
		"anonymous":              {Caller{}, time.Time{}},
	} {
		if got := c.caller.GoodUntil(); !got.Equal(c.want) {
			t.Errorf("%s: GoodUntil %s, want %s", what, got, c.want)
		}
	}
}
