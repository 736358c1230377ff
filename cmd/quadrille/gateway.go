package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"quadrille/internal/platform/app"
)

// inside is what is inside of a gateway of this machine, where its commands ask.
type inside struct {
	url  string // …/internal
	runs bool
	why  error // where it runs: why it does not let this command in; nil: it does
}

// probeWithin is how long a gateway has to say that it is there.
const probeWithin = 5 * time.Second

// findInside looks for this machine's gateway.
func findInside(ctx context.Context, cfg app.Config, hc *http.Client) (found inside) {
	for _, url := range insides(cfg) {
		if found = probeInside(ctx, url, hc); found.runs {
			return found
		}
	}
	return inside{url: insides(cfg)[0]}
}

// insides returns the URLs at which the internal API may be: a gateway with the
// development sign-in listens on loopback only, whatever HOST says.
func insides(cfg app.Config) []string {
	alone := cfg
	alone.Dev = true
	return slices.Compact([]string{cfg.Here(app.Gateway) + "/internal", alone.Here(app.Gateway) + "/internal"})
}

func probeInside(ctx context.Context, url string, hc *http.Client) inside {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		return inside{url: url}
	}
	answer, err := hc.Do(r)
	if err != nil {
		return inside{url: url}
	}
	_ = answer.Body.Close()
	at := strings.TrimSuffix(url, "/internal")
	switch answer.StatusCode {
	case http.StatusOK:
		return inside{url: url, runs: true}
	case http.StatusServiceUnavailable:
		return inside{url: url, runs: true, why: fmt.Errorf("the gateway at %s is not ready yet; try again in a moment", at)}
	default:
		return inside{url: url, runs: true, why: fmt.Errorf("what answers at %s does not let this command in (%s): show it the INTERNAL_TOKEN that the gateway was started with, or, where it keeps files and has none, name their folder (QUADRILLE_DATA); or is it no gateway? (PORT or --port)", at, answer.Status)}
	}
}
