package gateway

import (
	"context"
	"net/http"
	"time"

	"quadrille/internal/app"
	"quadrille/internal/opsclient"
	"quadrille/services/gateway/identity"
	"quadrille/services/gateway/live"
)

// watcher is the caller of a stream of events.
func watcher(address func(*http.Request) string) func(*http.Request) live.Caller {
	return func(r *http.Request) live.Caller {
		c := identity.Of(r.Context())
		if c.Anonymous() {
			return live.Caller{Address: address(r)}
		}
		w := live.Caller{Subject: c.Subject}
		for _, role := range c.Roles {
			w.Roles = append(w.Roles, string(role))
		}
		return w
	}
}

// still reports whether who watches would be let in again, as the same: tokens
// expire and keys are revoked while a stream is open. Where nobody can tell, it goes
// on.
func still(who authenticate) func(*http.Request) bool {
	return func(r *http.Request) bool {
		const within = 5 * time.Second
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		now, err := who(ctx, r.Header.Get("Authorization"))
		return err != nil && !unauthorized(err) || err == nil && now.ID() == identity.Of(r.Context()).ID()
	}
}

// lags asks every service how far behind its readers are. One that does not answer
// is left out.
func lags(d app.Deps) func(context.Context) []live.Lag {
	return func(ctx context.Context) (all []live.Lag) {
		ctx, cancel := context.WithTimeout(ctx, stateWithin)
		defer cancel()
		for _, name := range app.Names() {
			found, err := opsclient.New(d.URL(name), d.HTTP).Subscriptions(ctx)
			if err != nil {
				continue
			}
			for _, s := range found.Items {
				all = append(all, live.Lag{Subscriber: s.Subscriber, Stream: s.Stream, Lag: s.Lag})
			}
		}
		return all
	}
}
