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

// internalAPI is the internal API of a gateway on this machine, which commands call.
type internalAPI struct {
	url  string // …/internal
	runs bool
	why  error // where it runs: why it does not let this command in; nil: it does
}

// probeWithin is how long a gateway has to say that it is there.
const probeWithin = 5 * time.Second

// findInternalAPI finds the internal API of the gateway that runs on this machine.
func findInternalAPI(ctx context.Context, cfg app.Config, hc *http.Client) (found internalAPI) {
	for _, url := range internalURLs(cfg) {
		if found = probeInternalAPI(ctx, url, hc); found.runs {
			return found
		}
	}
	return internalAPI{url: internalURLs(cfg)[0]}
}

// internalURLs returns the URLs at which the internal API may be: a gateway with the
// development sign-in listens on loopback only, whatever HOST says.
func internalURLs(cfg app.Config) []string {
	alone := cfg
	alone.Dev = true
	return slices.Compact([]string{cfg.LocalURL(app.Gateway) + "/internal", alone.LocalURL(app.Gateway) + "/internal"})
}

func probeInternalAPI(ctx context.Context, url string, hc *http.Client) internalAPI {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		return internalAPI{url: url}
	}
	answer, err := hc.Do(r)
	if err != nil {
		return internalAPI{url: url}
	}
	_ = answer.Body.Close()
	at := strings.TrimSuffix(url, "/internal")
	switch answer.StatusCode {
	case http.StatusOK:
		return internalAPI{url: url, runs: true}
	case http.StatusServiceUnavailable:
		return internalAPI{url: url, runs: true, why: fmt.Errorf("the gateway at %s is not ready yet; try again in a moment", at)}
	default:
		return internalAPI{url: url, runs: true, why: fmt.Errorf("what answers at %s does not let this command in (%s): show it the INTERNAL_TOKEN that the gateway was started with, or, where it keeps files and has none, name their folder (QUADRILLE_DATA); or is it no gateway? (PORT or --port)", at, answer.Status)}
	}
}
