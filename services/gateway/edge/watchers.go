package edge

import (
	"context"
	"net/http"
	"time"

	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
)

// StreamCaller is the caller of a stream of events.
func StreamCaller(address func(*http.Request) string) func(*http.Request) activity.Caller {
	return func(r *http.Request) activity.Caller {
		c := auth.CallerFrom(r.Context())
		if c.Anonymous() {
			return activity.Caller{Address: address(r)}
		}
		w := activity.Caller{Subject: c.Subject, Until: c.GoodUntil()}
		for _, role := range c.Roles {
			w.Roles = append(w.Roles, string(role))
		}
		return w
	}
}

// StillValid reports whether who watches would be let in again, as the same: tokens
// expire and keys are revoked while a stream is open. Where nobody can tell, it goes
// on.
func StillValid(who Authenticate) func(*http.Request) bool {
	return func(r *http.Request) bool {
		const within = 5 * time.Second
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		now, err := who(ctx, r.Header.Get("Authorization"))
		return err != nil && !unauthorized(err) || err == nil && now.ID() == auth.CallerFrom(r.Context()).ID()
	}
}
