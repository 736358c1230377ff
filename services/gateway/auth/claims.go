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

// claimSet maps names to claims. Names are case-sensitive: decoding into a struct would
// accept a claim SUB as sub.
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

// text returns a string claim, or "" if the claim is absent or not a string.
func (c claimSet) text(name string) (text string) {
	if json.Unmarshal(c[name], &text) != nil {
		return ""
	}
	return text
}

// list returns the strings of an array claim, or a string claim as a list of one. It
// skips other elements.
func (c claimSet) list(path string) []string {
	switch found := c.lookup(path).(type) {
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

// lookup returns the claim named path. If there is none, it takes the dots in path as
// steps into nested objects, whose own names may contain dots, too. It returns nil if
// nothing is found.
func (c claimSet) lookup(path string) any {
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
		if found := object.lookup(path[i+1:]); found != nil {
			return found
		}
	}
	return nil
}

// The range of RFC 3339, which our API uses for times, in Unix seconds.
const (
	minSeconds = -62135596800 // 0001-01-01
	maxSeconds = 253402300799 // 9999-12-31
)

var errNoTime = errors.New("not a number of seconds since 1970")

// time returns a NumericDate claim (RFC 7519, section 2), rounded down to seconds, or the
// zero time if the claim is absent or null.
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
	case *seconds > maxSeconds:
		return time.Time{}, fmt.Errorf("%w: it lies after the year 9999; is it in milliseconds?", errNoTime)
	case *seconds <= minSeconds:
		return time.Unix(minSeconds+1, 0).UTC(), nil // the zero time would mean that the claim is absent
	}
	return time.Unix(int64(math.Floor(*seconds)), 0).UTC(), nil
}

// skew is the tolerated difference between the issuer's clock and this one.
const skew = 30 * time.Second

// validate returns a fault (Unauthorized) if the token is for another audience, has
// expired or is not valid yet. The fault names the failing claim but not the expected
// value.
func (c claimSet) validate(audience string, now time.Time) error {
	if !slices.Contains(c.list("aud"), audience) {
		return invalid("it is for another audience (aud)")
	}
	end, err := c.time("exp")
	switch {
	case err != nil:
		return invalid("its expiry (exp) is %s", err)
	case end.IsZero():
		return invalid("it has no expiry (exp)")
	case !now.Before(end.Add(skew)):
		return fault.New(fault.Unauthorized, "token_expired", "the token has expired: sign in again")
	}
	begin, err := c.time("nbf")
	switch {
	case err != nil:
		return invalid("its start (nbf) is %s", err)
	case begin.After(now.Add(skew)):
		return invalid("it is not valid yet (nbf)")
	}
	issued, err := c.time("iat")
	switch {
	case err != nil:
		return invalid("its time of issue (iat) is %s", err)
	case issued.After(now.Add(skew)):
		return invalid("it was issued in the future (iat): the clock of the issuer or of the gateway is wrong")
	}
	return nil
}

// roles returns customer, which every person has, and the known roles in the claim at
// path: an array, or a string separated by spaces like scope (RFC 8693, section 4.2). It
// ignores unknown roles, which belong to other systems.
func (c claimSet) roles(path string) []Role {
	roles := []Role{Customer}
	names := c.list(path)
	if text, is := c.lookup(path).(string); is {
		names = strings.Fields(text)
	}
	for _, name := range names {
		if role := Role(name); slices.Contains(AllRoles(), role) && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}
