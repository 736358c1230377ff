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

// internalAPI has the result of the search for the internal API of a gateway on this
// machine.
type internalAPI struct {
	url  string // …/internal
	runs bool
	err  error // why the running gateway rejects this command; nil if it accepts it
}

// probeWithin bounds the wait for a gateway's response.
const probeWithin = 5 * time.Second

// findInternalAPI finds the internal API of a gateway on this machine. If no gateway
// responds, runs is false and url is the first URL that was tried.
func findInternalAPI(ctx context.Context, cfg app.Config, hc *http.Client) (found internalAPI) {
	for _, url := range internalURLs(cfg) {
		if found = probeInternalAPI(ctx, url, hc); found.runs {
			return found
		}
	}
	return internalAPI{url: internalURLs(cfg)[0]}
}

// internalURLs returns the URLs to try. There may be two, since a gateway with the
// development sign-in listens on loopback only and ignores HOST.
func internalURLs(cfg app.Config) []string {
	loopback := cfg
	loopback.Dev = true
	return slices.Compact([]string{cfg.LocalURL(app.Gateway) + "/internal", loopback.LocalURL(app.Gateway) + "/internal"})
}

func probeInternalAPI(ctx context.Context, url string, hc *http.Client) internalAPI {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		return internalAPI{url: url}
	}
	response, err := hc.Do(r)
	if err != nil {
		return internalAPI{url: url}
	}
	_ = response.Body.Close()
	at := strings.TrimSuffix(url, "/internal")
	switch response.StatusCode {
	case http.StatusOK:
		return internalAPI{url: url, runs: true}
	case http.StatusServiceUnavailable:
		return internalAPI{url: url, runs: true, err: fmt.Errorf("the gateway at %s is not ready yet; try again in a moment", at)}
	default:
		return internalAPI{url: url, runs: true, err: fmt.Errorf("the server at %s rejected this command (%s): set INTERNAL_TOKEN to the gateway's value or, if the gateway has none and uses SQLite files, set QUADRILLE_DATA to their folder; if the server is not the gateway, set PORT or --port", at, response.Status)}
	}
}
