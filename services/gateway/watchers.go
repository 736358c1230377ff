package gateway

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

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
		w := live.Caller{Subject: c.Subject, Until: c.GoodUntil()}
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

// lags asks every service how far behind its readers are, all at once. One that does
// not answer in time is left out, and keeps nobody waiting but who waits for it.
func lags(ask func(service string) *opsclient.Client) func(context.Context) []live.Lag {
	return func(ctx context.Context) []live.Lag {
		ctx, cancel := context.WithTimeout(ctx, stateWithin)
		defer cancel()
		names := everyService()
		found := make([][]live.Lag, len(names))
		var asking sync.WaitGroup
		for i, name := range names {
			asking.Go(func() { found[i] = lagsOf(ctx, ask(name)) })
		}
		asking.Wait()
		return slices.Concat(found...)
	}
}

func lagsOf(ctx context.Context, c *opsclient.Client) (all []live.Lag) {
	found, err := c.Subscriptions(ctx)
	if err != nil {
		return nil
	}
	for _, s := range found.Items {
		all = append(all, live.Lag{Subscriber: s.Subscriber, Stream: s.Stream, Lag: s.Lag})
	}
	return all
}
