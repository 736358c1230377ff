package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"quadrille/pkg/fault"
)

// claimSet is what a token says, by name, to the letter: read into a struct, a claim
// SUB would be taken for sub.
type claimSet map[string]json.RawMessage

func readClaims(payload []byte) (claimSet, error) {
	var c claimSet
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	if c == nil {
		return nil, errors.New("no claims")
	}
	return c, nil
}

// text is a claim that is a string; empty where it is none.
func (c claimSet) text(name string) (text string) {
	if json.Unmarshal(c[name], &text) != nil {
		return ""
	}
	return text
}

// names is a claim that is a list of strings, or one.
func (c claimSet) names(path string) []string {
	switch found := c.at(path).(type) {
	case string:
		return []string{found}
	case []any:
		var names []string
		for _, n := range found {
			if name, is := n.(string); is {
				names = append(names, name)
			}
		}
		return names
	}
	return nil
}

// at is a claim: the one that has all of path as its name, else one that is found
// where dots lead into objects, whose names may have dots as well. It is nil where
// there is none.
func (c claimSet) at(path string) any {
	var found any
	if json.Unmarshal(c[path], &found) == nil && found != nil {
		return found
	}
	for i := range path {
		if path[i] != '.' {
			continue
		}
		var object claimSet
		if json.Unmarshal(c[path[:i]], &object) != nil {
			continue
		}
		if found := object.at(path[i+1:]); found != nil {
			return found
		}
	}
	return nil
}

// The years that RFC 3339, and with it our API, can write.
const (
	earliest = -62135596800 // 0001-01-01
	latest   = 253402300799 // 9999-12-31
)

var errNoTime = errors.New("no number of seconds since 1970")

// time is a claim that is a time: a number of seconds since 1970 (RFC 7519, section 2),
// of which parts of a second are dropped. It is zero where there is none.
func (c claimSet) time(name string) (time.Time, error) {
	var seconds *float64
	raw, has := c[name]
	if !has {
		return time.Time{}, nil
	}
	if err := json.Unmarshal(raw, &seconds); err != nil {
		return time.Time{}, errNoTime
	}
	switch {
	case seconds == nil:
		return time.Time{}, nil
	case *seconds > latest:
		return time.Time{}, fmt.Errorf("%w, but lies after the year 9999: is it in milliseconds?", errNoTime)
	case *seconds <= earliest:
		return time.Unix(earliest+1, 0).UTC(), nil // and not zero
	}
	return time.Unix(int64(math.Floor(*seconds)), 0).UTC(), nil
}

// skew is how far the issuer's clock may differ from ours.
const skew = 30 * time.Second

// judge is a fault where a token that says this is not for us, or not now. It says
// what is wrong, not what would be right.
func (c claimSet) judge(audience string, now time.Time) error {
	if !slices.Contains(c.names("aud"), audience) {
		return invalid("it is meant for another audience (aud)")
	}
	end, err := c.time("exp")
	switch {
	case err != nil:
		return invalid("its end (exp) is %s", err)
	case end.IsZero():
		return invalid("it has no end (exp)")
	case !now.Before(end.Add(skew)):
		return fault.New(fault.Unauthorized, "token_expired", "the token has expired: sign in again")
	}
	begin, err := c.time("nbf")
	switch {
	case err != nil:
		return invalid("its beginning (nbf) is %s", err)
	case begin.After(now.Add(skew)):
		return invalid("it is not valid yet (nbf)")
	}
	issued, err := c.time("iat")
	switch {
	case err != nil:
		return invalid("its time of issue (iat) is %s", err)
	case issued.After(now.Add(skew)):
		return invalid("it was issued in the future (iat): the issuer's clock, or the one here, is wrong")
	}
	return nil
}

// roles is those of ours among the roles that are named at path, in a list or in a
// string, separated by spaces as in scope (RFC 8693, section 4.2). Others are another
// system's.
func (c claimSet) roles(path string) []Role {
	roles := []Role{Customer}
	names := c.names(path)
	if text, is := c.at(path).(string); is {
		names = strings.Fields(text)
	}
	for _, name := range names {
		if role := Role(name); slices.Contains(AllRoles(), role) && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}
