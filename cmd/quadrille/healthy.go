package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/rest/call"
)

// probe is how the health of services is asked for.
type probe struct {
	live    bool
	timeout time.Duration
}

// place is a service, as it is called in what is printed, and where it is asked.
type place struct{ name, url string }

func newHealthy() *cobra.Command {
	var p probe
	var urls []string
	var port int
	cmd := &cobra.Command{
		Use:   "healthy [NAME...]",
		Short: "Ask services whether they are ready",
		Long: `healthy asks the services named, or all, whether they are ready to work, and
exits with 0 only if each of them is; otherwise one line says why not. It is for
the health checks of containers that have no shell and no curl.

The services are asked on this machine, on the ports that up and serve give them
(the gateway on PORT, the others on the ones after it), whatever INVENTORY_URL and
so on say: those may lead to another instance. With --url another place is asked.

A service that waits for its database or broker is alive and not ready: have
restarts depend on --live, and traffic on readiness.`,
		Example:   "  quadrille healthy\n  quadrille healthy sales --live\n  quadrille healthy --url http://sales:8084",
		ValidArgs: runnable(),
		RunE: func(cmd *cobra.Command, names []string) error {
			places, err := placesGiven(names, urls, port)
			if err != nil {
				return err
			}
			if err := p.ask(cmd.Context(), places); err != nil {
				return err
			}
			for _, at := range places {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", at.name, p.word())
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&p.live, "live", false, "ask only whether the processes answer (/healthz)")
	cmd.Flags().StringSliceVar(&urls, "url", nil, "base URL to ask instead of this machine's services")
	cmd.Flags().DurationVar(&p.timeout, "timeout", 4*time.Second, "how long to wait for the answers")
	portFlag(cmd, &port)
	return cmd
}

// placesGiven returns the places to ask: the URLs, or this machine's services with these
// names, or all of them.
func placesGiven(names, urls []string, port int) ([]place, error) {
	switch {
	case len(urls) > 0 && len(names) > 0:
		return nil, errors.New("give names or --url, not both")
	case len(urls) > 0:
		return placesAt(urls)
	default:
		return placesHere(names, port)
	}
}

func placesAt(urls []string) (places []place, _ error) {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("--url %q is no base URL such as http://sales:8084", text)
		}
		places = append(places, place{u.Redacted(), strings.TrimSuffix(text, "/")})
	}
	return places, nil
}

func placesHere(names []string, port int) (places []place, _ error) {
	cfg, err := fromEnvironment()
	if err != nil {
		return nil, err
	}
	if port != 0 {
		cfg.Port = port
	}
	if len(names) == 0 {
		names = runnable()
	}
	for _, name := range names {
		if !slices.Contains(runnable(), name) {
			return nil, unknownService(name, runnable())
		}
		places = append(places, place{name, cfg.LocalURL(name)})
	}
	return places, nil
}

// ask asks everywhere at once. Its error has every reason, in one line.
func (p probe) ask(ctx context.Context, places []place) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	hc := call.New(call.Config{})
	defer hc.CloseIdleConnections()
	// A page that a proxy leads to instead says nothing about the service.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	reasons := make([]string, len(places))
	var asked sync.WaitGroup
	for i, at := range places {
		asked.Go(func() {
			if err := p.one(ctx, ops.New(at.url, hc)); err != nil {
				reasons[i] = fmt.Sprintf("%s is not %s: %v", at.name, p.word(), err)
			}
		})
	}
	asked.Wait()
	return inOneLine(reasons)
}

func (p probe) one(ctx context.Context, c *ops.Client) error {
	if p.live {
		return c.Live(ctx)
	}
	return c.Ready(ctx)
}

func (p probe) word() string {
	if p.live {
		return "alive"
	}
	return "ready"
}

// inOneLine joins reasons to an error, nil if there are none.
func inOneLine(reasons []string) error {
	reasons = slices.DeleteFunc(reasons, func(r string) bool { return r == "" })
	if len(reasons) == 0 {
		return nil
	}
	return errors.New(strings.Join(reasons, "; "))
}
